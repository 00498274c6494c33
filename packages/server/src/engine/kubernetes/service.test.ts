import { expect, test } from "vitest";
import { deadlines } from "../../core/deadlines.ts";
import { FakeClock } from "../../lib/fake-clock.ts";
import { silentLog } from "../../lib/log.ts";
import { type KubeClient, KubeError, type KubeRequest } from "./kube-client.ts";
import { BackendServices } from "./service.ts";

const identity = { name: "b", uid: "u" };
const target = { servePort: 9090, podUid: "p" };
const refusals = {
  notFound: new KubeError({ status: 404, reason: "NotFound", message: "not found" }),
  quota: new KubeError({ status: 403, reason: "Forbidden", message: "exceeded quota" }),
};

/** Services over an API server that has this one, or says what the test has it say to each POST of one. */
function setUp({ stored, create = () => made("u") }: { stored?: object; create?: () => unknown }) {
  const server = { stored, create };
  const asked: string[] = [];
  const warnings: object[] = [];
  const events: Record<string, unknown>[] = [];
  const client: KubeClient = {
    namespace: "sessions",
    async json<Result>({ method, path, body }: KubeRequest): Promise<Result> {
      if (path.endsWith("/events")) return { event: events.push(body as Record<string, unknown>) } as Result;
      asked.push(method);
      if (method === "POST") return server.create() as Result;
      if (server.stored === undefined) throw refusals.notFound;
      return server.stored as Result;
    },
    stream: () => Promise.reject(new Error("nothing here is a stream")),
    close() {},
  };
  const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) };
  const clock = new FakeClock();
  return { services: new BackendServices({ client, clock, log }), server, clock, asked, warnings, events };
}

const made = (uid: string) => ({
  metadata: {
    name: "b",
    ownerReferences: [{ apiVersion: "spawner.dev/v1", kind: "SessionLivedBackend", name: "b", uid, controller: true }],
  },
  spec: { clusterIP: "10.96.0.7" },
});

test("a Service is asked for once, and again for a backend that comes later", async () => {
  const { services, asked } = setUp({});
  const address = { ip: "10.96.0.7", url: "http://b.sessions:9090/" };
  expect(await services.of(identity, target)).toEqual(address);
  expect(await services.of(identity, target)).toEqual(address);
  expect(asked).toEqual(["GET", "POST"]);
  services.forget(identity);
  await services.of(identity, target);
  expect(asked).toHaveLength(4);
});

test("it is looked for again after a while, and made again where it was deleted", async () => {
  const { services, clock, asked } = setUp({});
  const due: object[] = [];
  services.watch((each) => due.push(each));
  await services.of(identity, target);
  clock.advance(deadlines.serviceLookMs - 1);
  expect(due).toEqual([]);
  clock.advance(1);
  expect(due).toEqual([identity]);
  expect(await services.of(identity, target)).toMatchObject({ ip: "10.96.0.7" });
  expect(asked).toEqual(["GET", "POST", "GET", "POST"]);
  services.forget(identity);
  clock.advance(10 * deadlines.serviceLookMs);
  expect(due).toEqual([identity]);
});

test("of one that is refused it is told once a backend, in the log and in an Event, and it is tried again", async () => {
  const { services, server, clock, warnings, events } = setUp({
    create: () => {
      throw refusals.quota;
    },
  });
  const due: object[] = [];
  services.watch((each) => due.push(each));
  for (let looks = 0; looks < 3; looks++) expect(await services.of(identity, target)).toBeUndefined();
  const message = expect.stringMatching(/"b" is refused, .*: exceeded quota\. Mend that, .* within 5 minutes/);
  expect(warnings).toEqual([{ backend: "b", problem: message }]);
  expect(events).toEqual([
    expect.objectContaining({
      metadata: { name: "b.u.no-service", namespace: "sessions" },
      involvedObject: { apiVersion: "v1", kind: "Pod", name: "b", namespace: "sessions", uid: "p" },
      type: "Warning",
      message,
    }),
  ]);
  server.create = () => made("u");
  clock.advance(deadlines.serviceLookMs);
  expect(due).toEqual([identity]);
  expect(await services.of(identity, target)).toMatchObject({ ip: "10.96.0.7" });
});

test("somebody else's of its name is left alone, and it is said how to be rid of it", async () => {
  const { services, server, asked, warnings, events } = setUp({ stored: made("somebody") });
  for (let looks = 0; looks < 3; looks++) expect(await services.of(identity, target)).toBeUndefined();
  const remedy = expect.stringContaining("kubectl delete service b --namespace sessions");
  expect(warnings).toEqual([{ backend: "b", problem: remedy }]);
  expect(events).toEqual([expect.objectContaining({ reason: "NoService", type: "Warning", message: remedy })]);
  expect(asked).toEqual(["GET", "GET", "GET"]);
  server.stored = undefined;
  expect(await services.of(identity, target)).toMatchObject({ ip: "10.96.0.7" });
});
