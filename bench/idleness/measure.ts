import { type ChildProcess, spawn } from "node:child_process";
import { Agent } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { SpawnResponse, StatusMessage } from "@spawner/client";
import { systemClock as clock } from "../../packages/server/src/lib/clock.ts";
import { within } from "../../packages/server/src/lib/within.ts";
import { seededRandom } from "../../test/support/random.ts";
import { untilServing } from "../support/serving.ts";
import { type ActiveUntil, Book } from "./book.ts";
import { getShortly, kindsOfTraffic, longestOfGrace, sendHalfAHead, type Target } from "./traffic.ts";

export interface IdlenessOptions {
  readonly backends: number;
  /** How long each of them is used, about. */
  readonly usedSeconds: number;
  /** The shortest and the longest grace period. */
  readonly graceSeconds: { readonly least: number; readonly most: number };
  readonly seed: number;
  /** For the server's records. */
  readonly stateDir: string;
}

/** One backend's life, in milliseconds since 1970. */
export interface Life {
  readonly id: string;
  readonly gracePeriodSeconds: number;
  readonly lastActive: ActiveUntil;
  /** As its record says. */
  readonly sweptMs: number;
  readonly reason: string | undefined;
  /** As its program says. */
  readonly terminatedMs: number;
  /** What was not served as it should have been. */
  readonly faults: string[];
  readonly kinds: ReadonlyMap<string, number>;
}

/** How long an activity may take beyond its own time, and an end beyond the grace period. */
const patienceMs = 20_000;
/** Clients come one after the other, not all at once. */
const startSpreadMs = 3_000;
/** How long all programs may take to start. */
const startSeconds = 300;

const main = fileURLToPath(new URL("../../packages/server/src/cli/main.ts", import.meta.url));
const program = fileURLToPath(new URL("../programs/traffic.mjs", import.meta.url));

/** Uses many backends of one server in every way for a while, leaves them, and waits until all are swept. */
export async function measureIdleness(options: IdlenessOptions): Promise<Life[]> {
  const { backends, graceSeconds, stateDir, seed } = options;
  const flags = ["serve", "--port", "0", "--allow-anonymous", "--backends-max", "10000", "--state-dir", stateDir];
  const server = spawn(process.execPath, [main, ...flags, "--", process.execPath, program], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ids: string[] = [];
  const exited = new Promise((resolve) => server.once("exit", resolve));
  const serving = untilServing(server);
  try {
    const { url } = await serving;
    const random = seededRandom(seed);
    const { least, most } = graceSeconds;
    const seats = Array.from({ length: backends }, () => ({
      gracePeriodSeconds: least + Math.floor(random() * (most - least + 1)),
      seed: Math.floor(random() * 2 ** 32),
    }));
    // All programs are there before the first is used: starting them takes the machine's whole time.
    const waiting = seats.values();
    const started: (Seat & { id: string })[] = [];
    const lane = async () => {
      for (const seat of waiting) {
        const id = await spawnBackend(url, seat.gracePeriodSeconds);
        ids.push(id);
        await untilReady(url, id);
        started.push({ ...seat, id });
      }
    };
    await Promise.all(Array.from({ length: 4 }, lane));
    const lives = started.map((seat) => live({ ...seat, url, usedMs: options.usedSeconds * 1000 }));
    const all = await Promise.allSettled(lives);
    return all.map((life) => {
      if (life.status === "rejected") throw life.reason;
      return life.value;
    });
  } finally {
    if (server.exitCode === null) await drain(server, { url: (await serving).url, ids });
    await exited;
  }
}

/** Ends what is left: `serve` would leave it running. */
async function drain(server: ChildProcess, { url, ids }: { url: string; ids: readonly string[] }): Promise<void> {
  for (const id of ids) {
    await fetch(`${url}/api/backend/${id}`, { method: "DELETE" });
    await endOf(url, id);
  }
  server.kill("SIGTERM");
}

interface Seat {
  readonly gracePeriodSeconds: number;
  readonly seed: number;
}

async function live(seat: Seat & { url: string; id: string; usedMs: number }): Promise<Life> {
  const { url, id, gracePeriodSeconds, seed, usedMs } = seat;
  const graceMs = gracePeriodSeconds * 1000;
  const agent = new Agent({ keepAlive: true });
  const target: Target = {
    port: Number(new URL(url).port),
    path: `/${id}/`,
    random: seededRandom(seed),
    graceMs,
    agent,
  };
  const book = new Book();
  const faults: string[] = [];
  const idle = sendHalfAHead(target);
  try {
    await use(target, { book, faults, usedMs });
    const swept = await endOf(url, id);
    const output = await (await fetch(`${url}/api/backend/${id}/logs?follow=true`)).text();
    return {
      id,
      gracePeriodSeconds,
      lastActive: book.last,
      sweptMs: Date.parse(swept.time),
      reason: swept.reason,
      terminatedMs: Number(/^SIGTERM (\d+)$/m.exec(output)?.[1]),
      faults,
      kinds: book.kinds,
    };
  } finally {
    idle.destroy();
    agent.destroy();
  }
}

/** One activity after the other, sometimes two at once, with pauses in between, some of nearly the grace period. */
async function use(
  target: Target,
  { book, faults, usedMs }: { book: Book; faults: string[]; usedMs: number },
): Promise<void> {
  const { random, graceMs } = target;
  const kinds = Object.entries(kindsOfTraffic);
  const untilMs = performance.now() + usedMs;
  const one = async () => {
    const [kind, act] = kinds[Math.floor(random() * kinds.length)] ?? ["", async () => "refused" as const];
    try {
      return await book.keep(kind, () =>
        within(act(target), { clock, mostMs: target.graceMs * longestOfGrace + patienceMs, what: "it" }),
      );
    } catch (error) {
      faults.push(`${kind}: ${(error as Error).message}`);
      return false;
    }
  };
  await delay(random() * startSpreadMs);
  let isServed = await book.keep("short GET", () => getShortly(target));
  while (isServed && performance.now() < untilMs) {
    await delay(random() ** 2 * (graceMs - 200));
    const served = await Promise.all(random() < 0.3 ? [one(), one()] : [one()]);
    isServed = served.every(Boolean);
  }
}

async function spawnBackend(url: string, gracePeriodSeconds: number): Promise<string> {
  const response = await fetch(`${url}/api/spawn`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ gracePeriodSeconds, firstClientSeconds: startSeconds }),
  });
  if (!response.ok) throw new Error(await response.text());
  return ((await response.json()) as SpawnResponse).name;
}

async function untilReady(url: string, id: string): Promise<void> {
  const untilMs = performance.now() + startSeconds * 1000;
  while ((await fetch(`${url}/api/backend/${id}/ready`, { redirect: "manual" })).status !== 302) {
    if (performance.now() > untilMs) throw new Error(`${id} was not ready within ${startSeconds} s`);
    await delay(50);
  }
}

/** The stream of a backend's states ends with its end. */
async function endOf(url: string, id: string): Promise<StatusMessage> {
  const signal = AbortSignal.timeout(patienceMs);
  const text = await (await fetch(`${url}/api/backend/${id}/status/stream`, { signal }))
    .text()
    .catch((cause: unknown) => {
      throw new Error(`${id} was not ended within ${patienceMs / 1000} s`, { cause });
    });
  const last = [...text.matchAll(/^data: (.*)$/gm)].at(-1)?.[1] ?? "{}";
  return JSON.parse(last) as StatusMessage;
}
