import { expect, onTestFinished, test, vi } from "vitest";
import type { Backend } from "../../core/resource.ts";
import { FakeClock } from "../../lib/fake-clock.ts";
import { silentLog } from "../../lib/log.ts";
import { KubernetesBackendStore } from "./backend-store.ts";
import { answer, type Handler, refuse, ScriptedServer } from "./fixtures/scripted-server.ts";
import { HttpsKubeClient } from "./https-kube-client.ts";

const spec: Backend["spec"] = { template: { containers: [{ image: "a" }] } };
const resource = (name: string, version: number, status: Backend["status"] = {}) => ({
  metadata: {
    name,
    uid: `uid-${name}`,
    resourceVersion: `${version}`,
    creationTimestamp: "2026-01-01T00:00:00Z",
    managedFields: [{ manager: "kubectl" }],
    annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}" },
  },
  spec,
  status,
});

/** A store whose API server lists `b` in version 1 and then has this to say. */
async function openStore(handler: Handler) {
  const server = await ScriptedServer.open();
  const clock = new FakeClock();
  const client = new HttpsKubeClient({ server: server.url, namespace: "n", tls: {} }, { clock });
  const store = new KubernetesBackendStore({ client, clock, log: silentLog });
  onTestFinished(async () => {
    await store.close();
    client.close();
  });
  server.handler = (request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://host");
    if (searchParams.has("watch")) response.writeHead(200).flushHeaders();
    else answer(response, { metadata: { resourceVersion: "1" }, items: [resource("b", 1)] });
  };
  const { promise, resolve } = Promise.withResolvers<void>();
  store.watch(({ kind }) => kind === "synced" && resolve());
  await promise;
  await vi.waitFor(() => expect(server.asked.at(-1)).toContain("watch="));
  server.asked.length = 0;
  server.handler = handler;
  return { store, server, clock };
}

test("a backend without an image is refused before anybody is asked", async () => {
  const { store, server } = await openStore((_, response) => answer(response, resource("c", 2)));
  const draft = { name: "c", spec: { template: { containers: [{ image: "a" }, { name: "b" }] } } };
  await expect(store.create(draft)).rejects.toMatchObject({
    code: "invalid_request",
    message: "image is missing (template.containers[1].image): on a cluster each backend needs one.",
  });
  expect(server.asked).toEqual([]);
  await store.create({ name: "c", spec });
  expect(server.asked).toHaveLength(1);
});

const target = { name: "b", uid: "uid-b" };

test("nothing is kept that nobody reads", async () => {
  const { store, server } = await openStore(() => {});
  expect(Object.keys((await store.get("b"))?.metadata ?? {}).sort()).toEqual(
    ["creationTimestamp", "labels", "name", "resourceVersion", "uid"].sort(),
  );
  expect(server.asked).toEqual([]);
});

test("what is asked for as it is now is not answered from memory", async () => {
  const { store } = await openStore((_, response) => answer(response, resource("b", 2, { ready: true })));
  expect((await store.get("b"))?.metadata.resourceVersion).toBe("1");
  expect((await store.get("b", { fresh: true }))?.metadata.resourceVersion).toBe("2");
  expect((await store.get("b"))?.metadata.resourceVersion).toBe("2");
});

test("after a write whose outcome is unknown it is the API server that is asked", async () => {
  const { store, server, clock } = await openStore((request, response) => {
    // It was done, and nobody heard of it.
    if (request.method === "GET") answer(response, resource("b", 2, { swept: true }));
  });
  const writing = store.patchStatus(target, { swept: true }).catch((error: unknown) => error);
  await vi.waitFor(() => expect(server.asked).toHaveLength(1));
  clock.advance(2_000);
  expect(await writing).toMatchObject({ code: "unavailable" });
  expect((await store.get("b"))?.status).toEqual({ swept: true });
  // From then on it is known again.
  expect((await store.get("b"))?.metadata.resourceVersion).toBe("2");
  expect(server.asked.map((asked) => asked.split(" ")[0])).toEqual(["PATCH", "GET"]);
});

test("a patch names the version that it is of, and is made anew when somebody was faster", async () => {
  const bodies: unknown[] = [];
  let version = 5;
  const { store } = await openStore((request, response) => {
    if (request.method === "GET") return answer(response, resource("b", version));
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const patch = JSON.parse(body) as { metadata: { resourceVersion: string } };
      bodies.push(patch);
      if (patch.metadata.resourceVersion === "6") answer(response, resource("b", 7, { ready: true }));
      else {
        version = 6;
        refuse(response, 409, "Conflict");
      }
    });
  });
  expect((await store.patchStatus(target, { ready: true })).metadata.resourceVersion).toBe("7");
  expect(bodies).toEqual(
    ["1", "6"].map((resourceVersion) => ({ metadata: { resourceVersion }, status: { ready: true } })),
  );
});

test("a patch that others overtake again and again is given up", async () => {
  let version = 1;
  const { store, server } = await openStore((request, response) => {
    version += 1;
    if (request.method === "GET") answer(response, resource("b", version));
    else refuse(response, 409, "Conflict");
  });
  await expect(store.patchStatus(target, { ready: true })).rejects.toMatchObject({ code: "conflict" });
  expect(server.asked.filter((asked) => asked.startsWith("PATCH"))).toHaveLength(10);
});

test("a list whose beginning is forgotten goes on from the same name, as it is now", async () => {
  const { store, server } = await openStore((request, response) => {
    const from = new URL(request.url ?? "", "http://host").searchParams.get("continue");
    if (from === "old") refuse(response, 410, "Expired", { metadata: { continue: "anew" } });
    else answer(response, { metadata: { resourceVersion: "9" }, items: [resource("c", 8)] });
  });
  const { items } = await store.list({ limit: 2, continue: "old" });
  expect(items.map(({ metadata }) => metadata.name)).toEqual(["c"]);
  expect(server.asked).toHaveLength(2);
});

test("a list that cannot go on is refused as the caller's token", async () => {
  const { store } = await openStore((_, response) => refuse(response, 410, "Expired"));
  await expect(store.list({ limit: 2, continue: "old" })).rejects.toMatchObject({ code: "invalid_request" });
});

test.each([
  ["pods is forbidden: User x cannot create resource sessionlivedbackends", "unavailable", "spawner doctor"],
  ["exceeded quota: few", "too_many_backends", "exceeded quota"],
  ["unable to create new content in namespace n because it is being terminated", "unavailable", "terminated"],
  ['admission webhook "policy" denied the request: no', "invalid_request", "denied"],
])("who is forbidden with %j is told %s", async (message, code, words) => {
  const { store } = await openStore((_, response) => refuse(response, 403, "Forbidden", { message }));
  await expect(store.create({ name: "c", spec })).rejects.toMatchObject({
    code,
    message: expect.stringContaining(words),
  });
});
