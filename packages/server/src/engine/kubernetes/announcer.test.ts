import { expect, onTestFinished, test, vi } from "vitest";
import type { Backend, BackendStatus } from "../../core/resource.ts";
import { systemClock } from "../../lib/clock.ts";
import { silentLog } from "../../lib/log.ts";
import type { BackendChange } from "../engine.ts";
import { Announcer } from "./announcer.ts";
import { type KubeClient, KubeError, type KubeRequest } from "./kube-client.ts";

const time = "2026-01-01T00:00:00.000Z";
const transitions = { Constructed: { time }, Scheduled: { time }, Running: { time } };

const makeBackend = (status: BackendStatus, labels: Record<string, string> = {}): Backend => ({
  metadata: { name: "b1", uid: "u1", resourceVersion: "7", creationTimestamp: time, labels },
  spec: { template: { containers: [{}] } },
  status,
});

/** An API server that keeps Events by their names, and what else it was asked to write. */
class Events implements KubeClient {
  readonly namespace = "spawner";
  readonly names = new Set<string>();
  readonly writes: KubeRequest[] = [];
  /** What the next writes are refused with. */
  readonly refusals: Error[] = [];

  async json<Result>(request: KubeRequest): Promise<Result> {
    if (request.method === "GET") {
      return { metadata: {}, items: [...this.names].map((name) => ({ metadata: { name } })) } as Result;
    }
    this.writes.push(request);
    const refusal = this.refusals.shift();
    if (refusal !== undefined) throw refusal;
    if (request.method === "POST") this.names.add((request.body as { metadata: { name: string } }).metadata.name);
    return {} as Result;
  }

  stream(): never {
    throw new Error("nothing is streamed here");
  }

  close(): void {}
}

function announce(client: Events, { compat }: { compat: boolean }) {
  let tell: (change: BackendChange) => void = () => {};
  const watch = (onChange: (change: BackendChange) => void) => {
    tell = onChange;
    return () => {};
  };
  const announcer = new Announcer({ client, backends: { watch }, clock: systemClock, log: silentLog, compat });
  onTestFinished(() => announcer.close());
  return { changed: (backend: Backend) => tell({ kind: "changed", backend }) };
}

test("with compat each state is said once, however often and by whoever it is seen", async () => {
  const client = new Events();
  const { changed } = announce(client, { compat: true });
  changed(makeBackend({ running: true, transitions }));
  await vi.waitFor(() => expect(client.names.size).toBe(3));
  changed(makeBackend({ ready: true, transitions: { ...transitions, Ready: { time } } }));
  await vi.waitFor(() => expect(client.names).toContain("b1.u1.ready"));

  const next = announce(client, { compat: true });
  next.changed(makeBackend({ swept: true, transitions: { ...transitions, Ready: { time }, Swept: { time } } }));
  await vi.waitFor(() => expect(client.names).toContain("b1.u1.swept"));
  expect(client.writes).toHaveLength(5);
});

test("without it the end alone is said, and nothing is labelled", async () => {
  const client = new Events();
  const { changed } = announce(client, { compat: false });
  changed(makeBackend({ running: true, nodeName: "vm", transitions }));
  changed(makeBackend({ swept: true, nodeName: "vm", transitions: { ...transitions, Swept: { time } } }));
  await vi.waitFor(() => expect(client.names.size).toBe(1));
  expect(client.writes.map(({ method }) => method)).toEqual(["POST"]);
});

test("with compat a backend that has a node is labelled with it, in the version that was seen", async () => {
  const client = new Events();
  client.refusals.push(new KubeError({ status: 409, reason: "Conflict", message: "somebody wrote" }));
  const { changed } = announce(client, { compat: true });
  changed(makeBackend({ nodeName: "vm" }));
  await vi.waitFor(() => expect(client.writes).toHaveLength(1));
  expect(client.writes[0]).toMatchObject({
    method: "PATCH",
    path: "/apis/spawner.dev/v1/namespaces/spawner/sessionlivedbackends/b1",
    body: { metadata: { resourceVersion: "7", labels: { spawnerGroup: "vm" } } },
  });
  changed(makeBackend({ nodeName: "vm", scheduled: true })); // as the one who was in between left it
  await vi.waitFor(() => expect(client.writes).toHaveLength(2));
  changed(makeBackend({ nodeName: "vm", transitions }, { spawnerGroup: "vm" }));
  await vi.waitFor(() => expect(client.names.size).toBe(3));
  expect(client.writes.filter(({ method }) => method === "PATCH")).toHaveLength(2);
});

test("an API server that is away is asked again; an Event that it refuses is not", async () => {
  const client = new Events();
  client.refusals.push(new Error("away"), new KubeError({ status: 403, reason: "Forbidden", message: "quota" }));
  const { changed } = announce(client, { compat: true });
  changed(makeBackend({ running: true, transitions }));
  await vi.waitFor(() => expect(client.names).toEqual(new Set(["b1.u1.scheduled", "b1.u1.running"])));
  expect(client.writes).toHaveLength(4);
});
