import { fileURLToPath } from "node:url";
import { type BackendChange, SpawnerClient } from "@spawner/client";
import { expect, onTestFinished, test, vi } from "vitest";
import { temporaryFolder } from "../support/dev.ts";
import { startServed } from "../support/served.ts";

const command = [process.execPath, fileURLToPath(new URL("../support/program.mjs", import.meta.url))];

/** A server that can be killed and started again on the same state, at the same address, and a client of it. */
async function startRestarting() {
  const stateDir = temporaryFolder();
  const start = (port: string) => startServed({ stateDir, command, flags: ["--grace-period", "60", "--port", port] });
  let server = await start("0");
  onTestFinished(async () => {
    server.killSessions();
    await server.close("SIGKILL");
  });
  const { url } = server;
  const client = new SpawnerClient({ url: `${url}/api`, retry: { firstMs: 20, mostMs: 200 } });
  const restart = async () => {
    await server.close("SIGKILL");
    server = await start(new URL(url).port);
  };
  return { client, restart, history: (id: string) => server.history(id) };
}

const wholeLife = ["Submitted", "Constructed", "Scheduled", "Running", "Ready", "Stopping", "Swept"];

test("a life is told once and whole, though the server is killed in it; so is one that was over before", async () => {
  const { client, restart, history } = await startRestarting();
  const { name: over } = await client.spawn();
  const { name: id } = await client.spawn();
  await Promise.all([over, id].map((each) => client.waitUntilReady(each)));
  await client.stop(over);
  for await (const _ of client.statusStream(over)); // until it has ended

  const told: string[] = [];
  const following = (async () => {
    for await (const { state } of client.statusStream(id)) told.push(state);
  })();
  await vi.waitFor(() => expect(told).toContain("Ready"));
  await restart();
  expect((await history(over)).map(({ state }) => state)).toEqual(wholeLife);
  await client.waitUntilReady(id);
  await client.stop(id);
  await following;
  expect(told).toEqual(wholeLife);
  const last = await history(id);
  expect(last.map(({ state }) => state)).toEqual(wholeLife);
  expect(last.at(-1)).toMatchObject({ reason: "Requested", message: expect.stringMatching(/\w/) });
}, 60_000);

test("who watches all backends is told of what has changed while the server was away, once", async () => {
  const { client, restart } = await startRestarting();
  const { name: stays } = await client.spawn();
  const { name: goes } = await client.spawn();
  await Promise.all([stays, goes].map((each) => client.waitUntilReady(each)));
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const told: string[] = [];
  const inShort = (change: BackendChange) =>
    change.type === "synced" ? "synced" : `${change.type} ${change.backend.name} ${change.backend.state}`;
  const watching = (async () => {
    for await (const change of client.watchBackends({ signal: leaving.signal })) told.push(inShort(change));
  })().catch(() => {}); // that it was left
  await vi.waitFor(() => expect(told).toContain("synced"));
  expect(told.toSorted()).toEqual([`added ${goes} Ready`, `added ${stays} Ready`, "synced"].toSorted());
  told.length = 0;

  await restart();
  await client.stop(goes);
  await vi.waitFor(() => expect(told).toContain(`changed ${goes} Swept`), { timeout: 20_000 });
  expect(told.filter((each) => each.includes(stays))).toEqual([]);
  expect(new Set(told).size).toBe(told.length);
  leaving.abort();
  await watching;
}, 60_000);
