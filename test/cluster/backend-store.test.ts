import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { parseLabelSelector } from "../../packages/server/src/core/label-selector.ts";
import { completeSpec } from "../../packages/server/src/core/resource.ts";
import type { BackendChange } from "../../packages/server/src/engine/index.ts";
import type { KubeClient } from "../../packages/server/src/engine/kubernetes/index.ts";
import { KubernetesEngine } from "../../packages/server/src/engine/kubernetes/index.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";
import { applyCrd } from "../support/cluster/apply-crd.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { kubectl } from "../support/cluster/kubectl.ts";
import { makeNamespace, type TestNamespace } from "../support/cluster/namespace.ts";

const spec = { template: { containers: [{ image: "example/app:1" }] } };
let namespace: TestNamespace;
let path: string;

beforeAll(async () => {
  namespace = await makeNamespace();
  path = `/apis/spawner.dev/v1/namespaces/${namespace.name}/sessionlivedbackends`;
  await applyCrd(namespace.client);
});
afterAll(() => namespace.dispose());
beforeEach(() => namespace.client.json({ method: "DELETE", path }));

/** A store of its own, as another process has it. */
async function openStore({ nodeName, client = namespace.client }: { nodeName?: string; client?: KubeClient } = {}) {
  const { backends, close } = await KubernetesEngine.open({
    client,
    clock: systemClock,
    log: silentLog,
    controlKey: () => undefined,
    ...(nodeName === undefined ? {} : { nodeName }),
  }).then((engine) => ({ backends: engine.backends, close: () => engine.close() }));
  onTestFinished(close);
  return backends;
}

const apply = (manifest: object) => kubectl(["create", "-n", namespace.name, "-f", "-"], JSON.stringify(manifest));

function say(change: BackendChange): string {
  return change.kind === "synced" ? "synced" : `${change.kind} ${change.backend.metadata.name}`;
}

test("what a person made with kubectl is a backend without a status", async () => {
  const store = await openStore();
  await apply({ apiVersion: "spawner.dev/v1", kind: "SessionLivedBackend", metadata: { name: "by-hand" }, spec });
  const backend = await store.get("by-hand");
  expect(backend).toMatchObject({ metadata: { name: "by-hand", labels: {} }, spec, status: {} });
  expect(Object.keys(backend?.metadata ?? {}).sort()).toEqual(
    ["creationTimestamp", "labels", "name", "resourceVersion", "uid"].sort(),
  );
});

test("what 0.1.9 wrote, with null for what it did not set, is a backend with the defaults", async () => {
  const store = await openStore();
  await apply({
    apiVersion: "spawner.dev/v1",
    kind: "SessionLivedBackend",
    metadata: { name: "of-0-1-9" },
    spec: {
      gracePeriodSeconds: null,
      httpPort: null,
      template: { containers: [{ name: "application", image: "a" }], imagePullSecrets: null, volumes: null },
    },
  });
  const backend = await store.get("of-0-1-9");
  expect(backend && completeSpec(backend.spec)).toMatchObject({ gracePeriodSeconds: 300, httpPort: 8080 });
});

test.each([
  ["no container", "b", { template: { containers: [] } }, /spec\.template\.containers/],
  ["a port that is none", "b", { ...spec, httpPort: 70_000 }, /spec\.httpPort/],
  ["a name with a dot", "a.b", spec, /"a\.b" cannot name a backend/],
])("%s is refused as an invalid request, in the API server's words", async (_, name, invalid, message) => {
  const store = await openStore();
  await expect(store.create({ name, spec: invalid })).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringMatching(message),
  });
});

test("a name of 63 characters is one, and one with a dot is refused whoever brings it", async () => {
  const store = await openStore();
  const name = `a${"-".repeat(61)}b`;
  await store.create({ name, spec });
  expect((await store.get(name))?.metadata.name).toBe(name);
  const dotted = { apiVersion: "spawner.dev/v1", kind: "SessionLivedBackend", metadata: { name: "a.b" }, spec };
  await expect(apply(dotted)).rejects.toThrow(/must be a DNS label/);
});

test("a quota that is used up is said as too many backends", { timeout: 120_000 }, async () => {
  const quota = {
    metadata: { name: "few" },
    spec: { hard: { "count/sessionlivedbackends.spawner.dev": "0" } },
  };
  const quotas = `/api/v1/namespaces/${namespace.name}/resourcequotas`;
  const remove = async (): Promise<void> => {
    await namespace.client.json({ method: "DELETE", path: `${quotas}/few` });
  };
  onTestFinished(remove);
  const count = async () => {
    const path = `${quotas}/few`;
    const { status } = await namespace.client.json<{ status?: { used?: object } }>({ method: "GET", path });
    expect(status?.used).toHaveProperty(["count/sessionlivedbackends.spawner.dev"]);
  };
  // A cluster counts a new kind half a minute after it came, and quotas from before that minutes later: each try has a new one.
  await eventually(async () => {
    await namespace.client.json({ method: "POST", path: quotas, body: quota });
    await eventually(count, 2_000).catch(async (error: unknown) => {
      await remove();
      throw error;
    });
  }, 90_000);
  const store = await openStore();
  await expect(store.create({ name: "b", spec })).rejects.toMatchObject({
    code: "too_many_backends",
    message: expect.stringContaining("exceeded quota"),
  });
});

test("what is not there is said to be unavailable, with what may be missing", async () => {
  const client = { ...bound(namespace.client), namespace: "no-such-namespace" };
  const store = await openStore({ client });
  await expect(store.create({ name: "b", spec })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(/no-such-namespace.*Is the namespace there/),
  });
});

test("two processes that write at once lose nothing of each other, and none writes what it has not read", async () => {
  const [one, other] = await Promise.all([openStore(), openStore()]);
  const { metadata } = await one.create({ name: "b", spec });
  other.watch(() => {});
  await eventually(async () => expect((await other.get("b"))?.metadata.uid).toBe(metadata.uid));
  const target = { name: "b", uid: metadata.uid };
  const time = metadata.creationTimestamp;
  await Promise.all(
    [one, other, one, other].map((store, index) =>
      store.patchStatus(target, { transitions: { [`S${index}`]: { time } } }),
    ),
  );
  const stored = await one.get("b");
  expect(Object.keys(stored?.status.transitions ?? {}).sort()).toEqual(["S0", "S1", "S2", "S3"]);
  await expect(other.patchStatus(metadata, { swept: true })).rejects.toMatchObject({ code: "conflict" });
  // Of another generation nothing is written, though the name is the same.
  await one.delete(target);
  const again = await one.create({ name: "b", spec });
  await expect(other.patchStatus(target, { swept: true })).rejects.toMatchObject({ code: "not_found" });
  await expect(other.delete(target)).rejects.toMatchObject({ code: "not_found" });
  expect(await one.get("b")).toEqual(again);
});

test("what has ended cannot be brought back by whoever writes late", async () => {
  const store = await openStore();
  const { metadata } = await store.create({ name: "b", spec });
  await store.patchStatus({ name: "b", uid: metadata.uid }, { swept: true });
  const late = { name: "b", uid: metadata.uid };
  await expect(store.patchStatus(late, { swept: false })).rejects.toMatchObject({ code: "invalid_request" });
  await store.patchStatus(late, { ready: true }); // as 0.1.9's sweeper may
});

test("what this process wrote is what it reads, at once and from memory", async () => {
  const asked: string[] = [];
  const client = {
    ...bound(namespace.client),
    json: <Result>(request: Parameters<KubeClient["json"]>[0]) => {
      asked.push(request.method);
      return namespace.client.json<Result>(request);
    },
  };
  const store = await openStore({ client });
  const heard: BackendChange[] = [];
  store.watch((change) => heard.push(change));
  await eventually(() => expect(heard).toHaveLength(1));
  let backend = await store.create({ name: "b", spec });
  for (let round = 0; round < 20; round += 1) {
    backend = await store.patchStatus({ name: "b", uid: backend.metadata.uid }, { message: `${round}` });
    expect(await store.get("b")).toEqual(backend);
  }
  expect(asked.filter((method) => method === "GET")).toHaveLength(1); // the list
  await eventually(() => expect(heard.at(-1)).toEqual({ kind: "changed", backend }));
  await store.delete(backend.metadata);
  expect(await store.get("b")).toBeUndefined();
});

test("what was made elsewhere a moment ago is found, though the watch has not told of it", async () => {
  const [here, elsewhere] = await Promise.all([openStore(), openStore()]);
  await new Promise<void>((resolve) => here.watch(({ kind }) => kind === "synced" && resolve()));
  for (let round = 0; round < 10; round += 1) {
    const made = await elsewhere.create({ name: `b-${round}`, spec });
    expect((await here.get(`b-${round}`))?.metadata.uid).toBe(made.metadata.uid);
  }
});

test("a watch of one node is told of its own backends, from when they come to it", async () => {
  const [all, node] = await Promise.all([openStore(), openStore({ nodeName: "node-1" })]);
  const heard: string[] = [];
  node.watch((change) => heard.push(say(change)));
  await eventually(() => expect(heard).toEqual(["synced"]));
  const [mine, theirs] = await Promise.all(["mine", "theirs"].map((name) => all.create({ name, spec })));
  await all.patchStatus({ name: "theirs", uid: theirs?.metadata.uid ?? "" }, { nodeName: "node-2" });
  await all.patchStatus({ name: "mine", uid: mine?.metadata.uid ?? "" }, { nodeName: "node-1" });
  await eventually(() => expect(heard).toEqual(["synced", "changed mine"]));
  // What it does not watch it can ask for.
  expect((await node.get("theirs"))?.status.nodeName).toBe("node-2");
  await all.delete({ name: "mine", uid: mine?.metadata.uid ?? "" });
  await eventually(() => expect(heard).toEqual(["synced", "changed mine", "deleted mine"]));
});

test("a watch goes on over the ends that the API server makes, without a second list", async () => {
  const asked: string[] = [];
  let watches = 0;
  const client: KubeClient = {
    ...bound(namespace.client),
    json: (request) => {
      asked.push(request.method);
      return namespace.client.json(request);
    },
    stream: (request) => {
      watches += 1;
      return namespace.client.stream({ ...request, query: { ...request.query, timeoutSeconds: 1 } });
    },
  };
  const [watching, writing] = await Promise.all([openStore({ client }), openStore()]);
  const heard: string[] = [];
  watching.watch((change) => heard.push(say(change)));
  let rounds = 0;
  while (watches < 4) {
    await writing.create({ name: `b-${rounds}`, spec });
    rounds += 1;
    await eventually(() => expect(heard.filter((each) => each !== "synced")).toHaveLength(rounds));
  }
  expect(new Set(heard).size).toBe(heard.length);
  expect(asked).toEqual(["GET"]);
});

test("labels select, and are the resource's own", async () => {
  const store = await openStore();
  const labels = { "example.com/team": "red", stage: "" };
  await store.create({ name: "a", labels, spec });
  await store.create({ name: "b", labels: { "example.com/team": "blue" }, spec });
  const { items } = await store.list({ selector: parseLabelSelector("example.com/team=red,stage=") });
  expect(items.map(({ metadata }) => metadata)).toEqual([expect.objectContaining({ name: "a", labels })]);
  const manifest = JSON.parse(await kubectl(["get", "slab", "a", "-n", namespace.name, "-o", "json"]));
  expect(manifest.metadata.labels).toEqual(labels);
  const selector = [{ kind: "exists", label: "not a label!" }] as const;
  await expect(store.list({ selector })).rejects.toMatchObject({ code: "invalid_request" });
});

test("a token of a list that cannot be understood is refused as the caller's fault", async () => {
  const store = await openStore();
  await expect(store.list({ limit: 1, continue: "nonsense" })).rejects.toMatchObject({ code: "invalid_request" });
});

/** The client's methods, to be overridden one by one. */
function bound(client: KubeClient): KubeClient {
  return {
    namespace: client.namespace,
    json: (request) => client.json(request),
    stream: (request) => client.stream(request),
    close: () => client.close(),
  };
}
