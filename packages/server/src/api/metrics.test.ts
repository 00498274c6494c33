import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { idOfKey } from "../core/keyed-id.ts";
import { startApi } from "./fixture.ts";

const tokens = { read: "read-0123456789abcdef", spawn: "spawn-0123456789abcdef" };

test("who asks for backends by connect is counted as by spawn: those recorded, and what is refused by its code", async () => {
  const folder = mkdtempSync(join(tmpdir(), "spawner-metrics-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const tokensFile = join(folder, "tokens");
  writeFileSync(tokensFile, `${tokens.read} read\n${tokens.spawn} spawn\n`, { mode: 0o600 });
  const { url, engine } = await startApi({ auth: { kind: "tokens", tokensFile }, apiBackendsMax: 2 });
  await engine.backends.create({
    name: `spawner-${idOfKey("taken")}`,
    spec: { template: { containers: [{}] } },
  });
  const ask = async (path: string, body: object, token = tokens.spawn) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    return (await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) })).status;
  };
  expect(await ask("/connect", { key: "a" })).toBe(200);
  expect(await ask("/connect", { key: "a" })).toBe(200); // the same one
  expect(await ask("/connect", { key: "b" })).toBe(429);
  expect(await ask("/spawn", {})).toBe(429);
  expect(await ask("/connect", { key: "taken" })).toBe(409);
  expect(await ask("/connect", { key: "" })).toBe(400);
  for (const path of ["/spawn", "/connect"]) expect(await ask(path, {}, tokens.read)).toBe(403);

  const exposed = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${tokens.read}` } })).text();
  expect(exposed).toMatch(/^spawner_spawn_requests_accepted_total 1$/m);
  const refused = exposed.matchAll(/^spawner_spawn_requests_refused_total\{code="(\w+)"\} ([1-9]\d*)$/gm);
  expect(Object.fromEntries([...refused].map(([, code, count]) => [code, Number(count)]))).toEqual({
    too_many_backends: 2,
    already_exists: 1,
    invalid_request: 1,
    forbidden_role: 2,
  });
});
