import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SpawnResponse } from "@spawner/client";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { errorIn, startApi } from "./fixture.ts";

const token = "only-for-tests-0123456789abcdef/+==";
const bearer = { authorization: `Bearer ${token}` };

/** An API that asks for a token, with a backend, and all that it logs. */
async function startGuarded() {
  const folder = mkdtempSync(join(tmpdir(), "spawner-auth-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const tokensFile = join(folder, "tokens");
  writeFileSync(tokensFile, `# for tests\n${token}\n`, { mode: 0o600 });
  let logged = "";
  const write = (line: string) => {
    logged += line;
  };
  const log = pino({ level: "trace" }, { write });
  const api = await startApi({ auth: { kind: "tokens", tokensFile }, log });
  const response = await api.post("{}", { "content-type": "application/json", ...bearer });
  const { name: id } = (await response.json()) as SpawnResponse;
  const ask = (path: string, init: RequestInit = {}) => fetch(`${api.url}${path}`, { redirect: "manual", ...init });
  return { ...api, id, ask, logged: () => logged };
}

const publicPaths = [
  "/backend/ID/status",
  "/backend/ID/status/stream",
  "/backend/ID/ready",
  "/healthz",
  "/readyz",
  "/openapi.json",
];
const controlled = [
  ["POST", "/spawn"],
  ["POST", "/connect"],
  ["POST", "/backend/ID/revoke"],
  ["GET", "/backends"],
  ["HEAD", "/backends"],
  ["GET", "/backend/ID"],
  ["HEAD", "/backend/ID"],
  ["DELETE", "/backend/ID"],
  ["GET", "/backend/ID/logs"],
  ["HEAD", "/backend/ID/logs"],
  ["GET", "/backend/unknown"],
  ["GET", "/metrics"],
] as const;

describe("a token that is for", () => {
  const tokens = { read: "read-0123456789abcdef", spawn: "spawn-0123456789abcdef", both: "both-0123456789abcdef" };
  test.each([
    ["read", "GET", "/backends", 200],
    ["read", "HEAD", "/backends", 200],
    ["read", "GET", "/metrics", 200],
    ["read", "POST", "/spawn", 403],
    ["read", "POST", "/connect", 403],
    ["read", "DELETE", "/backend/unknown", 403],
    ["spawn", "POST", "/spawn", 200],
    ["spawn", "POST", "/connect", 200],
    ["spawn", "POST", "/backend/unknown/revoke", 404],
    ["spawn", "GET", "/backends", 403],
    ["spawn", "DELETE", "/backend/unknown", 403],
    ["both", "GET", "/backends", 200],
    ["both", "POST", "/spawn", 200],
  ] as const)("%s: %s %s is answered %d", async (which, method, path, status) => {
    const folder = mkdtempSync(join(tmpdir(), "spawner-auth-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const tokensFile = join(folder, "tokens");
    const text = `${tokens.read} read\n${tokens.spawn} spawn\n${tokens.both} read,spawn\n`;
    writeFileSync(tokensFile, text, { mode: 0o600 });
    const { url } = await startApi({ auth: { kind: "tokens", tokensFile } });
    const body = method === "POST" ? { body: path.endsWith("revoke") ? '{"user":"ada"}' : "{}" } : {};
    const headers = {
      authorization: `Bearer ${tokens[which]}`,
      ...(method === "POST" ? { "content-type": "application/json" } : {}),
    };
    const response = await fetch(`${url}${path}`, { method, headers, ...body });
    expect(response.status).toBe(status);
    const text403 = status === 403 ? await response.text() : "forbidden_role";
    expect(text403).toContain("forbidden_role");
    expect(text403).not.toContain(tokens[which]);
  });
});

describe("without a token", () => {
  test("what a backend's own clients need is open, and nothing else", async () => {
    const { ask, id } = await startGuarded();
    for (const path of publicPaths) {
      const { status, body } = await ask(path.replace("ID", id));
      expect([200, 409]).toContain(status);
      await body?.cancel();
    }
    for (const [method, path] of controlled) {
      const response = await ask(path.replace("ID", id), { method });
      expect([method, path, response.status]).toEqual([method, path, 401]);
      expect(response.headers.get("www-authenticate")).toBe('Bearer realm="spawner"');
      if (method !== "HEAD") expect(await response.json()).toMatchObject({ code: "unauthorized" });
    }
  });

  test("a body is not even looked at", async () => {
    const { raw } = await startGuarded();
    const head = "POST /spawn HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n";
    expect(errorIn(await raw(`${head}content-length: 5\r\n\r\n{"a":`))).toMatchObject({ status: 401 });
  });

  test("a path that is no route is unknown, and one that takes other methods says which", async () => {
    const { ask } = await startGuarded();
    expect((await ask("/metricz")).status).toBe(404);
    expect((await ask("/spawn")).status).toBe(405);
  });
});

describe("with a token", () => {
  test.each(["Bearer", "bearer", "BEARER"])("of the file, as %s, all is open", async (scheme) => {
    const { ask, id } = await startGuarded();
    const headers = { authorization: `${scheme}  ${token}` };
    for (const path of ["/backends", `/backend/${id}`, `/backend/${id}/logs`]) {
      expect((await ask(path, { headers })).status).toBe(200);
    }
    expect((await ask(`/backend/${id}`, { method: "DELETE", headers })).status).toBe(202);
  });

  test.each([
    ["another", "Bearer another-token-0123456789", "invalid_token"],
    ["half of one", `Bearer ${token.slice(0, 20)}`, "invalid_token"],
    ["a comment of the file", "Bearer # for tests", undefined],
    ["another scheme", `Basic ${Buffer.from(`a:${token}`).toString("base64")}`, undefined],
    ["no scheme", token, undefined],
    ["nothing", "Bearer ", undefined],
    ["two at once", `Bearer ${token}, Bearer ${token}`, undefined],
  ])("of no use, %s, all is closed", async (_, authorization, error) => {
    const { ask } = await startGuarded();
    const response = await ask("/backends", { headers: { authorization } });
    expect(response.status).toBe(401);
    const challenge = error === undefined ? 'Bearer realm="spawner"' : `Bearer realm="spawner", error="${error}"`;
    expect(response.headers.get("www-authenticate")).toBe(challenge);
  });

  test("it is told in no answer and no line of the log, whatever goes wrong", async () => {
    const { ask, id, raw, logged } = await startGuarded();
    const answers = await Promise.all(
      [
        ask("/backends?limit=x", { headers: bearer }),
        ask("/nothing", { headers: bearer }),
        ask(`/backend/${id}`, { headers: { authorization: `Basic ${token}` } }),
        ask(`/backend/${id}`, { headers: { authorization: `Bearer ${token}x` } }),
        ask("/spawn", { method: "POST", headers: { ...bearer, "content-type": "text/plain" }, body: "{}" }),
      ].map(async (response) => (await response).text()),
    );
    const tooLong = `GET /backends HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\nx: ${"y".repeat(100_000)}`;
    const noHttp = `GET /backends HTTP/9.9\r\nauthorization: Bearer ${token}\r\n\r\n`;
    answers.push(await raw(tooLong), await raw(noHttp));
    expect(answers.join()).not.toContain(token.slice(0, 20));
    expect(logged()).not.toContain(token.slice(0, 20));
    expect(logged()).toContain("request refused");
  });
});

test("where everybody may use the API, no token is needed, and one that is sent does no harm", async () => {
  const { url } = await startApi({ auth: { kind: "anonymous" } });
  expect((await fetch(`${url}/backends`)).status).toBe(200);
  expect((await fetch(`${url}/backends`, { headers: bearer })).status).toBe(200);
});
