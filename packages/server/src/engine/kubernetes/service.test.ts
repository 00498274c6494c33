import { expect, test } from "vitest";
import { silentLog } from "../../lib/log.ts";
import { type KubeClient, KubeError, type KubeRequest } from "./kube-client.ts";
import { BackendServices } from "./service.ts";

const identity = { name: "b", uid: "u" };
const target = { servePort: 9090 };

/** Services over an API server that says what the test has it say to each POST, and has none at first. */
function setUp(create: () => unknown) {
  const asked: string[] = [];
  const warnings: object[] = [];
  const client: KubeClient = {
    namespace: "sessions",
    async json<Result>({ method }: KubeRequest): Promise<Result> {
      asked.push(method);
      if (method === "GET") throw new KubeError({ status: 404, reason: "NotFound", message: "not found" });
      return create() as Result;
    },
    stream: () => Promise.reject(new Error("nothing here is a stream")),
    close() {},
  };
  const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) };
  return { services: new BackendServices({ client, log }), asked, warnings };
}

const made = (uid: string) => ({
  metadata: {
    name: "b",
    ownerReferences: [{ apiVersion: "spawner.dev/v1", kind: "SessionLivedBackend", name: "b", uid, controller: true }],
  },
  spec: { clusterIP: "10.96.0.7" },
});

test("a Service is asked for once, and again for a backend that comes later", async () => {
  const { services, asked } = setUp(() => made("u"));
  const address = { ip: "10.96.0.7", url: "http://b.sessions:9090/" };
  expect(await services.of(identity, target)).toEqual(address);
  expect(await services.of(identity, target)).toEqual(address);
  expect(asked).toEqual(["GET", "POST"]);
  services.forget(identity);
  await services.of(identity, target);
  expect(asked).toHaveLength(4);
});

test("one that cannot be had is told of once a backend, and tried again", async () => {
  let refuses = true;
  const { services, warnings } = setUp(() => {
    if (refuses) throw new KubeError({ status: 403, reason: "Forbidden", message: "exceeded quota" });
    return made("u");
  });
  for (let looks = 0; looks < 3; looks++) expect(await services.of(identity, target)).toBeUndefined();
  expect(warnings).toEqual([{ backend: "b", err: expect.objectContaining({ message: "exceeded quota" }) }]);
  refuses = false;
  expect(await services.of(identity, target)).toMatchObject({ ip: "10.96.0.7" });
});
