import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ConnectResponse } from "@spawner/client";
import { expect, onTestFinished, test } from "vitest";
import { type Served, startServed } from "../support/served.ts";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));

async function connect(server: Served, key: string): Promise<ConnectResponse> {
  const response = await server.ask("/api/connect", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ key, user: "ada", gracePeriodSeconds: 600 }),
  });
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as ConnectResponse;
}

/** The program that this token leads to. */
async function pidBy(server: Served, { backend, token }: ConnectResponse): Promise<number> {
  const response = await server.ask(`/${backend}/echo?_spawner_token=${token}`);
  expect(response.status, await response.clone().text()).toBe(200);
  return ((await response.json()) as { pid: number }).pid;
}

interface StreamEvent {
  readonly id: string;
  readonly data: string;
}

const eventsIn = (text: string): StreamEvent[] =>
  [...text.matchAll(/^id: (.*)\ndata: (.*)$/gm)].map(([, id = "", data = ""]) => ({ id, data }));

/** What its status stream tells until it is ready. */
async function followUntilReady(server: Served, { backend }: ConnectResponse): Promise<StreamEvent[]> {
  const response = await server.ask(`/api/backend/${backend}/status/stream`);
  let text = "";
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    if (text.includes('"Ready"')) break;
  }
  return eventsIn(text);
}

test("who connects as soon as a killed server is back is given what still runs, or the next one, and never what was lost", async () => {
  const stateDir = mkdtempSync(join(tmpdir(), "spawner-restart-"));
  const start = () => startServed({ stateDir, command: [process.execPath, program] });
  const first = await start();
  let last = first;
  onTestFinished(async () => {
    await last.close("SIGKILL");
    last.killSessions();
    rmSync(stateDir, { recursive: true });
  });
  const keys = Array.from({ length: 6 }, (_, index) => `doc ${index}`);
  const before = await Promise.all(
    keys.map(async (key) => {
      const connected = await connect(first, key);
      return { key, connected, pid: await pidBy(first, connected) };
    }),
  );
  const [watched = expect.unreachable()] = before.slice(1);
  const told = await followUntilReady(first, watched.connected);
  const lost = before.filter((_, index) => index % 2 === 0);
  await first.close("SIGKILL");
  for (const { pid } of lost) process.kill(pid, "SIGKILL");

  const second = await start();
  last = second;
  const after = await Promise.all(
    before.map(async (old) => ({ ...old, next: await connect(second, old.key), isLost: lost.includes(old) })),
  );
  for (const { connected, pid, next, isLost } of after) {
    expect(next).toMatchObject({ backend: connected.backend, spawned: isLost });
    expect(next.generation === connected.generation).toBe(!isLost);
    const nextPid = await pidBy(second, next);
    expect(nextPid === pid).toBe(!isLost);
    // Nobody is cut off by the restart who has a token, nor let in to another generation by it.
    const known = await second.ask(`/${connected.backend}/echo?_spawner_token=${connected.token}`);
    expect(known.status).toBe(isLost ? 410 : 200);
  }

  // Whoever followed one goes on behind what came last.
  const streamPath = `/api/backend/${watched.connected.backend}/status/stream`;
  const lastHeard = told.at(-2)?.id ?? expect.unreachable();
  const goingOn = second.ask(streamPath, { headers: { "last-event-id": lastHeard } });
  await second.ask(`/api/backend/${watched.connected.backend}`, { method: "DELETE" });
  const all = eventsIn(await (await second.ask(streamPath)).text());
  const rest = all.slice(1 + all.findIndex(({ id }) => id === lastHeard));
  expect(eventsIn(await (await goingOn).text())).toEqual(rest);
  expect(rest[0]).toEqual(told.at(-1));
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  expect(JSON.parse(all.at(-1)?.data ?? "null")).toMatchObject({ state: "Swept", reason: "Requested" });
}, 90_000);
