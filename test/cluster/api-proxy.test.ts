import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request as send } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { loadKubeConfig } from "../../packages/server/src/engine/kubernetes/kube-config.ts";
import { ApiProxy, type ApiProxyOptions } from "../support/cluster/api-proxy.ts";

const namespace = `spawner-test-${randomUUID().slice(0, 8)}`;
const maps = `/api/v1/namespaces/${namespace}/configmaps`;

/** A ConfigMap of this test alone. */
let name = "";

const kubectl = async (args: readonly string[]) => (await promisify(execFile)("kubectl", args)).stdout;

beforeAll(() => kubectl(["create", "namespace", namespace]));
afterAll(() => kubectl(["delete", "namespace", namespace, "--wait=false"]));
beforeEach(() => {
  name = `map-${randomUUID().slice(0, 8)}`;
});

async function openProxy(options?: ApiProxyOptions): Promise<ApiProxy> {
  const proxy = await ApiProxy.open(await loadKubeConfig(), options);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** By this agent, or else on a connection of its own. */
async function open(
  { url, agent = false }: { url: string; agent?: Agent | false },
  method: string,
  path: string,
  body?: object,
): Promise<IncomingMessage> {
  const headers = { "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json" };
  const request = send(`${url}${path}`, { method, headers, agent, rejectUnauthorized: false });
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response.setEncoding("utf8");
}

async function ask(to: Parameters<typeof open>[0], method: string, path: string, body?: object) {
  const response = await open(to, method, path, body);
  return { status: response.statusCode, body: JSON.parse((await response.toArray()).join("")) };
}

const create = (to: Parameters<typeof open>[0], named = name) =>
  ask(to, "POST", maps, { metadata: { name: named }, data: { from: "test" } });
const exists = async (named = name) =>
  (await kubectl(["get", "-n", namespace, "configmap", named, "--ignore-not-found"])) !== "";

/** Follows a watch; what was read stays in `lines`. */
async function follow(proxy: ApiProxy, query = "") {
  const response = await open(proxy, "GET", `${maps}?watch=true&fieldSelector=metadata.name=${name}${query}`);
  const lines: { type: string; object: { code?: number }; atMs: number }[] = [];
  let ending: "ended" | "cut" | undefined;
  let rest = "";
  response.on("data", (text: string) => {
    const complete = `${rest}${text}`.split("\n");
    rest = complete.pop() ?? "";
    for (const line of complete) lines.push({ ...JSON.parse(line), atMs: performance.now() });
  });
  response.on("end", () => (ending = "ended")).on("error", () => (ending = "cut"));
  onTestFinished(() => void response.destroy());
  const until = (count: number) =>
    expect.poll(() => lines.map(({ type }) => type), { timeout: 5_000 }).toHaveLength(count);
  return { status: response.statusCode, lines, until, ending: () => ending };
}

test("what is asked through the proxy is answered by the API server, and writes are counted", async () => {
  const proxy = await openProxy({ counts: ({ path }) => path.includes("/configmaps") });
  expect((await create(proxy)).status).toBe(201);
  expect((await ask(proxy, "GET", `${maps}/${name}`)).body).toMatchObject({ data: { from: "test" } });
  expect((await ask(proxy, "PATCH", `${maps}/${name}`, { data: { from: "patch" } })).status).toBe(200);
  await ask(proxy, "POST", `/api/v1/namespaces/${namespace}/events`, {});
  expect((await ask(proxy, "DELETE", `${maps}/${name}`)).status).toBe(200);
  expect(proxy.writes.map(({ number, method, status }) => [number, method, status])).toEqual([
    [1, "POST", 201],
    [2, "PATCH", 200],
    [3, "DELETE", 200],
  ]);
});

test("kubectl speaks through the proxy by its kubeconfig, and a token of somebody's own is his", async () => {
  const proxy = await openProxy();
  const folder = mkdtempSync(join(tmpdir(), "spawner-proxy-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const kubeconfig = (token?: string) => {
    const path = join(folder, token === undefined ? "own" : "of-the-user");
    writeFileSync(path, proxy.kubeconfig(token === undefined ? {} : { token }));
    return path;
  };
  expect(await kubectl(["--kubeconfig", kubeconfig(), "get", "namespace", namespace, "-o", "name"])).toBe(
    `namespace/${namespace}\n`,
  );
  const user = ["-n", namespace, "create", "token", "default"];
  const token = (await kubectl(user)).trim();
  const asUser = kubectl(["--kubeconfig", kubeconfig(token), "get", "namespace", namespace]);
  await expect(asUser).rejects.toThrow(`system:serviceaccount:${namespace}:default`);
});

test.each([
  { moment: "before", isWritten: false },
  { moment: "after", isWritten: true },
] as const)(
  "a connection that is cut $moment a write: the write is made: $isWritten",
  async ({ moment, isWritten }) => {
    const proxy = await openProxy();
    proxy.onWrite = ({ number }) => (number === 1 ? { kind: "cut", moment } : undefined);
    await expect(create(proxy)).rejects.toThrow("socket hang up");
    expect(await exists()).toBe(isWritten);
    expect((await create(proxy)).status).toBe(isWritten ? 409 : 201);
  },
);

test("a refusal in the place of a write leaves nothing written", async () => {
  const proxy = await openProxy();
  proxy.onWrite = ({ method }) =>
    method === "POST" ? { kind: "answer", status: 500, reason: "InternalError" } : undefined;
  expect(await create(proxy)).toMatchObject({ status: 500, body: { kind: "Status", reason: "InternalError" } });
  expect(await exists()).toBe(false);
});

test("a late write is made when it is let go, also where its sender has given up", async () => {
  const proxy = await openProxy();
  const late = Promise.withResolvers<void>();
  proxy.onWrite = () => ({ kind: "delay", until: late.promise });
  const answer = create(proxy).catch((error: Error) => error.message);
  await expect.poll(() => proxy.writes).toHaveLength(1);
  proxy.cutConnections();
  expect(await answer).toBe("socket hang up");
  expect(await exists()).toBe(false);
  late.resolve();
  await expect.poll(() => exists(), { timeout: 10_000 }).toBe(true);
});

test("events of a watch come twice, or late", async () => {
  const proxy = await openProxy();
  proxy.watches.copies = 2;
  const twice = await follow(proxy);
  await create(proxy);
  await twice.until(2);
  proxy.watches.copies = 1;
  proxy.watches.delayMs = 700;
  const writtenMs = performance.now();
  await ask(proxy, "DELETE", `${maps}/${name}`);
  await twice.until(3);
  expect(twice.lines.map(({ type }) => type)).toEqual(["ADDED", "ADDED", "DELETED"]);
  expect((twice.lines[2]?.atMs ?? 0) - writtenMs).toBeGreaterThan(690);
});

test("a watch is cut, or told that its resource version has expired; so is the next one", async () => {
  const proxy = await openProxy();
  const first = await follow(proxy);
  expect(proxy.watches.count).toBe(1);
  proxy.watches.cut();
  await expect.poll(first.ending).toBe("cut");
  const second = await follow(proxy);
  proxy.watches.expire({ times: 1 });
  await second.until(1);
  expect(second.lines[0]).toMatchObject({ type: "ERROR", object: { code: 410 } });
  await expect.poll(second.ending).toBe("ended");
  expect((await follow(proxy)).status).toBe(410);
  expect((await follow(proxy)).status).toBe(200);
});

test("an API server that hangs answers nothing and says nothing, and then everything at once", async () => {
  const proxy = await openProxy();
  const watch = await follow(proxy);
  proxy.hang();
  const answer = create(proxy);
  await expect(
    Promise.race([answer, new Promise((_, reject) => setTimeout(reject, 500, new Error("late")))]),
  ).rejects.toThrow("late");
  await kubectl(["-n", namespace, "create", "configmap", name]);
  expect(watch.lines).toEqual([]);
  await proxy.serve();
  expect((await answer).status).toBe(409);
  await watch.until(1);
});

test("what an API server that hangs has in its sockets is done when it goes on, also where its sender has given up", async () => {
  const proxy = await openProxy();
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const kept = { url: proxy.url, agent };
  expect((await ask(kept, "GET", `${maps}/${name}`)).status).toBe(404);
  proxy.hang();
  const messages = [create(kept), create(proxy, `${name}-unheard`)].map((answer) => answer.catch(String));
  await expect.poll(() => proxy.writes).toHaveLength(2);
  proxy.cutConnections();
  expect(await Promise.all(messages)).toEqual(Array(2).fill("Error: socket hang up"));
  expect(await exists()).toBe(false);
  await proxy.serve();
  await expect.poll(() => exists(), { timeout: 10_000 }).toBe(true);
  expect(await exists(`${name}-unheard`)).toBe(false);
});

test("an API server that is away takes no connection, and is back at the same place", async () => {
  const proxy = await openProxy();
  const { url } = proxy;
  const watch = await follow(proxy);
  await proxy.refuse();
  await expect(create(proxy)).rejects.toThrow("ECONNREFUSED");
  await expect.poll(watch.ending).toBe("cut");
  await proxy.serve();
  expect(proxy.url).toBe(url);
  expect((await create(proxy)).status).toBe(201);
});
