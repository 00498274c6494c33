import { readFileSync, statSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { idOfKey } from "../../packages/server/src/core/keyed-id.ts";
import { at, startConnecting } from "../support/connecting.ts";
import { eventually } from "../support/embedded.ts";

type Echo = { pid: number; url: string; headers: Record<string, string>; env: Record<string, string> };

const echoOf = async (url: string, headers: Record<string, string> = {}) => {
  const response = await fetch(url, { headers });
  return { status: response.status, body: response.ok ? ((await response.json()) as Echo) : await response.text() };
};

test("500 callers of one key get one backend, and 500 working answers", async () => {
  const { connect, processesOf } = await startConnecting();
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, user) => connect({ key: "doc", user: `u${user}` })),
  );
  expect(answers.filter(({ spawned }) => spawned)).toHaveLength(1);
  const echoes = await Promise.all(answers.map(({ url }) => echoOf(at(url, "/echo"))));
  const users = echoes.map(({ body }) => (body as Echo).headers["x-spawner-user"]);
  expect(new Set(users).size).toBe(500);
  expect(new Set(echoes.map(({ body }) => (body as Echo).pid)).size).toBe(1);
  expect(await processesOf(idOfKey("doc"))).toHaveLength(1);
});

describe("a token", () => {
  test("lets its user in, says who that is, and does not reach the program", async () => {
    const { connect } = await startConnecting();
    const { url, token, backend } = await connect({ key: "doc", user: "ada", auth: { role: "teacher" } });
    const bare = url.replace(/\?.*/, "echo");
    const forged = { "x-spawner-user": "eve", X_Spawner_User: "eve" };
    const ways = [
      await echoOf(`${at(url, "/echo")}&a=%20b`, forged),
      await echoOf(`${bare}?a=%20b`, { ...forged, authorization: `Bearer ${token}` }),
      await echoOf(`${bare}?a=%20b`, { ...forged, cookie: `x=1; spawner-token=${token}` }),
    ];
    for (const { body } of ways) {
      const { headers, url: seen, env } = body as Echo;
      expect(seen).toBe("/echo?a=%20b");
      expect(headers).toMatchObject({ "x-spawner-user": "ada" });
      expect(JSON.parse(Buffer.from(headers["x-spawner-auth"] ?? "", "base64url").toString())).toEqual({
        role: "teacher",
      });
      expect(JSON.stringify(body)).not.toContain(token);
      expect(env).toMatchObject({ SPAWNER_KEY: "doc", SPAWNER_BACKEND: expect.stringContaining(backend) });
      expect(Number(env.SPAWNER_FENCING_TOKEN)).toBeGreaterThan(0);
    }
    expect(await echoOf(bare)).toMatchObject({ status: 401 });
  });

  test("in a URL that a browser opens becomes a cookie of this backend's path, and goes from the URL", async () => {
    const { connect } = await startConnecting();
    const { url, token, backend } = await connect();
    // As a browser does: fetch would add a Sec-Fetch-Mode of its own.
    const { statusCode, headers } = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${at(url, "/echo")}&a=1`, { headers: { "sec-fetch-mode": "navigate" } }, resolve).once("error", reject);
    });
    expect(statusCode).toBe(302);
    expect(headers).toMatchObject({ location: `/${backend}/echo?a=1`, "referrer-policy": "no-referrer" });
    const [cookie] = headers["set-cookie"] ?? [];
    expect(cookie).toMatch(
      new RegExp(`^spawner-token=${token}; Path=/${backend}/; Max-Age=3[56]\\d\\d; HttpOnly; SameSite=Lax$`),
    );
  });

  test("of one generation does not open the next", async () => {
    const { connect, stop, until } = await startConnecting();
    const first = await connect();
    await until(first.backend, "Ready");
    await stop(first.backend);
    const second = await connect();
    expect(second).toMatchObject({ backend: first.backend, spawned: true });
    expect(await echoOf(at(second.url, "/echo"))).toMatchObject({ status: 200 });
    expect(await echoOf(at(first.url, "/echo"))).toMatchObject({ status: 410 });
  });

  test("that is over lets nobody in, and cuts nobody off", async () => {
    const { connect, until } = await startConnecting();
    const { url, backend } = await connect({ key: "doc", tokenTtlSeconds: 2 });
    await until(backend, "Ready");
    const socket = new WebSocket(url.replace("http", "ws"));
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    await eventually("the token is over", async () => (await echoOf(at(url, "/echo"))).status === 401);
    const echoed = new Promise<string>((resolve) => socket.once("message", (data) => resolve(String(data))));
    socket.send("still here");
    expect(await echoed).toBe("still here");
    socket.close();
  });

  test("goes on over a restart's keys, and not when its key is taken out", async () => {
    const { connect, stateDir } = await startConnecting();
    const { url } = await connect();
    expect(await echoOf(at(url, "/echo"))).toMatchObject({ status: 200 });
    const file = join(stateDir, "signing-keys");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const old = readFileSync(file, "utf8");
    writeFileSync(file, `new:${"n".repeat(43)}\n${old}`);
    await eventually("the new key signs", async () => {
      const [header = ""] = (await connect()).token.split(".");
      return Buffer.from(header, "base64url").toString().includes('"kid":"new"');
    });
    expect(await echoOf(at(url, "/echo"))).toMatchObject({ status: 200 });
    writeFileSync(file, `new:${"n".repeat(43)}\n`);
    await eventually("the old token is good no more", async () => (await echoOf(at(url, "/echo"))).status === 401);
  });
});

test("a revoked user is let in no more, another one is", async () => {
  const { connect, post } = await startConnecting();
  const ada = await connect({ key: "doc", user: "ada" });
  const bob = await connect({ key: "doc", user: "bob" });
  await echoOf(at(ada.url, "/echo"));
  expect((await post(`/backend/${ada.backend}/revoke`, { user: "ada" })).status).toBe(200);
  expect(await echoOf(at(ada.url, "/echo"))).toMatchObject({ status: 401, body: expect.stringContaining("revoked") });
  expect(await echoOf(at(bob.url, "/echo"))).toMatchObject({ status: 200 });
  const again = await connect({ key: "doc", user: "ada" });
  expect(await echoOf(at(again.url, "/echo"))).toMatchObject({ status: 200 });
});

test("who has no token is told so at once, and does not wait for a start", async () => {
  const { connect } = await startConnecting();
  const { url } = await connect({ key: "doc", env: { LISTEN_AFTER_MS: "3000" } });
  const startedAt = performance.now();
  expect(await echoOf(url.replace(/\?.*/, "echo"))).toMatchObject({ status: 401 });
  expect(performance.now() - startedAt).toBeLessThan(2_500);
});

test("who asks for another spec is given the live backend as stale, and nobody there is cut off", async () => {
  const { connect, until, backend: view } = await startConnecting({ gracePeriodSeconds: 3_600 });
  const first = await connect({ key: "doc", env: { V: "1" } });
  await until(first.backend, "Ready");
  const socket = new WebSocket(first.url.replace("http", "ws"));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  expect(await connect({ key: "doc", env: { V: "2" } })).toMatchObject({ spawned: false, stale: true });
  expect(await view(first.backend)).toMatchObject({ state: "Ready" });
  socket.close();
});

test("a user has no more programs than may live, those included that take their time to end", async () => {
  const stubborn = 'process.on("SIGTERM", () => {}); require("node:http").createServer().listen(process.env.PORT)';
  const template = { command: [process.execPath, "-e", stubborn], cwd: "/" };
  const { connect, post, stop, until, url } = await startConnecting({ template, userBackendsMax: 1 });
  const { backend } = await connect({ key: "a", user: "ada", waitReady: true });
  await stop(backend);
  await until(backend, "Swept");
  const next = { key: "b", user: "ada" };
  expect((await post("/connect", next)).status).toBe(429);
  expect((await post("/connect", { ...next, user: "grace" })).status).toBe(200);
  await fetch(`${url}/api/backend/${backend}?graceSeconds=0`, { method: "DELETE" });
  await eventually("the program is gone", async () => (await post("/connect", next)).status === 200);
});
