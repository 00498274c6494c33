import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SpawnerClient } from "@spawner/client";
import { describe, expect, test } from "vitest";
import { runSpawner, startDev, temporaryFolder } from "../support/dev.ts";
import { startEmbedded } from "../support/embedded.ts";

const listener = [process.execPath, fileURLToPath(new URL("../support/program.mjs", import.meta.url))];
const wholeLife = ["Submitted", "Constructed", "Scheduled", "Running", "Ready", "Stopping", "Swept"];

async function startWithClient(overrides: Parameters<typeof startEmbedded>[0] = {}) {
  const spawner = await startEmbedded({ gracePeriodSeconds: 60, ...overrides });
  return { spawner, client: new SpawnerClient({ url: `${spawner.url}/api` }) };
}

test("a session from its start to its end", async () => {
  const { client } = await startWithClient();
  const { name: id, url = "" } = await client.spawn({ env: { LISTEN_AFTER_MS: "100", WORD: "ä" } });
  const states: string[] = [];
  const following = (async () => {
    for await (const { state } of client.statusStream(id)) states.push(state);
  })();
  expect(await client.waitUntilReady(id, { timeoutMs: 10_000 })).toMatchObject({ state: "Ready" });
  expect(await client.status(id)).toMatchObject({ state: "Ready" });
  expect(await (await fetch(`${url}echo`)).json()).toMatchObject({ env: { WORD: "ä" } });
  expect(await client.backend(id)).toMatchObject({ name: id, url, gracePeriodSeconds: 60 });
  expect(await client.stop(id)).toMatchObject({ name: id });
  await following;
  expect(states).toEqual(wholeLife);
  await expect(client.waitUntilReady(id)).rejects.toMatchObject({ code: "backend_ended", reason: "Requested" });
});

test("a stream goes on behind the last event of an earlier one", async () => {
  const { client } = await startWithClient();
  const { name: id } = await client.spawn();
  const first = client.statusStream(id);
  for await (const { state } of first) if (state === "Ready") break;
  await client.stop(id);
  const states: string[] = [];
  for await (const { state } of client.statusStream(id, { lastEventId: first.lastEventId })) states.push(state);
  expect(states).toEqual(["Stopping", "Swept"]);
  const behind = client.statusStream(id, { lastEventId: `${first.lastEventId?.split("/")[0]}/Swept` });
  expect(await behind.next()).toEqual({ done: true, value: undefined });
});

test("as much environment as is taken arrives, and more is refused before there is a backend", async () => {
  const { client } = await startWithClient();
  const longest = (name: string) => [name, "x".repeat(131_071 - name.length - 1)] as const;
  const env = Object.fromEntries(["A", "LONG_B", "C", "D", "E", "F", "G"].map(longest));
  const { name: id, url = "" } = await client.spawn({ env });
  expect(await (await fetch(`${url}echo`)).json()).toMatchObject({ env });
  await expect(client.spawn({ env: { A: `${env.A}x` } })).rejects.toMatchObject({
    code: "invalid_request",
    message: "env.A must have at most 131071 bytes as NAME=value; 131072 were given.",
  });
  expect((await client.list()).backends.map(({ name }) => name)).toEqual([id]);
});

test("a program that does not start is told with its reason and what it wrote", async () => {
  const { client } = await startWithClient({
    template: { command: ["sh", "-c", "echo no such database >&2; exit 3"], cwd: "/" },
  });
  const { name: id } = await client.spawn();
  await expect(client.waitUntilReady(id)).rejects.toMatchObject({
    code: "backend_ended",
    reason: "Crashed",
    message: expect.stringContaining("no such database"),
  });
});

test("the list of all has each once, however many a page has", async () => {
  const { client } = await startWithClient();
  const spawned = await Promise.all(Array.from({ length: 5 }, () => client.spawn()));
  const names: string[] = [];
  for await (const { name } of client.listAll({ limit: 2 })) names.push(name);
  expect(names).toEqual(spawned.map(({ name }) => name).sort());
});

describe("logs", () => {
  const script = "printf 'ä 😀\\n'; printf 'second\\n' >&2; sleep 0.3; printf 'third'; exit 1";

  test("are followed to the program's end, and readable after it", async () => {
    const { client } = await startWithClient({ template: { command: ["sh", "-c", script], cwd: "/" } });
    const { name: id } = await client.spawn();
    let text = "";
    for await (const part of client.logs(id, { follow: true })) text += part;
    expect(text).toBe("ä 😀\nsecond\nthird");
    let rest = "";
    for await (const part of client.logs(id, { tail: 2 })) rest += part;
    expect(rest).toBe("second\nthird");
  });
});

test("without a token the public surface answers, and the control surface says what is missing", async () => {
  const tokensFile = join(temporaryFolder(), "tokens");
  const token = "a-token-of-the-test-0123456789";
  writeFileSync(tokensFile, `${token}\n`, { mode: 0o600 });
  const { spawner, client: stranger } = await startWithClient({ tokensFile });
  const client = new SpawnerClient({ url: `${spawner.url}/api`, token });
  const { name: id } = await client.spawn();
  expect(await stranger.waitUntilReady(id)).toMatchObject({ state: "Ready" });
  expect(await stranger.status(id)).toMatchObject({ state: "Ready" });
  const refused = [
    stranger.spawn(),
    stranger.backend(id),
    stranger.list(),
    stranger.stop(id),
    stranger.logs(id).next(),
  ];
  for (const result of await Promise.allSettled(refused)) {
    expect(result).toMatchObject({ status: "rejected", reason: { code: "unauthorized", status: 401 } });
  }
  expect(await client.backend(id)).toMatchObject({ state: "Ready" });
});

test("a stream outlives a server that is killed: no state twice, none left out", async () => {
  const first = await startDev(listener);
  const client = new SpawnerClient({ url: `${first.url}/api`, retry: { firstMs: 20, mostMs: 100 } });
  const { name: id } = await client.spawn();
  const states: string[] = [];
  for await (const { state } of client.statusStream(id)) {
    states.push(state);
    if (state !== "Ready") continue;
    first.child.kill("SIGKILL");
    await first.exited;
    const port = new URL(first.url).port;
    const again = runSpawner(["dev", "--port", port, "--state-dir", first.stateDir, "--", ...listener]);
    await again.output.waitFor(/http:\/\/127/);
    await client.stop(id);
  }
  expect(states).toEqual(wholeLife);
});
