// What happens when many sessions are asked for at once on one machine, and what is left of them afterwards:
//   npm run bench:burst -- [--quick] [--json FILE]
// The same small program is started that many times at once, bare and by POST /spawn; then all is ended. The second burst is
// the one that counts: in the first the server grows to what it needs, and what it grows by in the second was left behind.
// The programs need 16 MB each (3.2 GB for 200), beside what they share.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { collectGarbage } from "./support/garbage.ts";
import { childrenOf, megabytesOf, type Remains, remainsOf } from "./support/remains.ts";
import { untilServing } from "./support/serving.ts";

const { values: flags } = parseArgs({ options: { quick: { type: "boolean" }, json: { type: "string" } } });
const count = flags.quick ? 50 : 200;

/** How much longer than the bare programs a burst may take until the last is ready. */
const ratioMax = 1.5;
/** What the server's private memory may grow by from the first burst to the second, its garbage collected. */
const growthMBMax = 10;
/** Of these, nothing may be more after a burst than before. */
const counted = ["descriptors", "sockets", "processes", "outputFiles", "databaseRows"] as const;
/** How long connections that were closed may take to go. */
const settleMsMax = 5_000;
/** Every wait ends by then. */
const waitMsMax = 120_000;

const program = fileURLToPath(new URL("programs/hello.mjs", import.meta.url));
const main = fileURLToPath(new URL("../packages/server/src/cli/main.ts", import.meta.url));
const stateDir = mkdtempSync(join(tmpdir(), "spawner-bench-"));

const serveFlags = ["--state-dir", stateDir, ..."--port 0 --allow-anonymous --backends-max 250 --retain 1".split(" ")];
const server = spawn(
  process.execPath,
  ["--inspect=127.0.0.1:0", main, "serve", ...serveFlags, "--", process.execPath, program],
  { stdio: ["ignore", "inherit", "pipe"] },
);
try {
  const { url, inspectorUrl } = await untilServing(server);
  await burst(url, 1); // loads what is loaded on first use
  await collectGarbage(inspectorUrl);
  const before = remainsOf(server, stateDir);
  const first = await burst(url, count);
  const afterFirst = await settledRemains(before, inspectorUrl);
  const bareMs = await startBare(count);
  const second = await burst(url, count);
  const afterSecond = await settledRemains(before, inspectorUrl);

  const lastReadyMs = Math.max(...second.readyMs);
  const ratio = lastReadyMs / bareMs;
  console.log(`${count} backends asked for at once, milliseconds since then:`);
  for (const [name, { outcomes, acceptedMs, readyMs, programsMB }] of Object.entries({ first, second })) {
    console.log(`  ${name} burst: ${showOutcomes(outcomes)}`);
    console.log(`    POST /spawn answered     ${show(acceptedMs)}`);
    console.log(`    Ready                    ${show(readyMs)}`);
    console.log(`    memory of all programs   ${programsMB} MB (proportional set size)`);
  }
  console.log(`  the same programs bare, the last one listens   ${bareMs.toFixed(0)}`);
  console.log(
    `  the last one is Ready                          ${lastReadyMs.toFixed(0)}, ${ratio.toFixed(2)} times that`,
  );
  console.log("the server before, after the first and after the second burst, all ended and its garbage collected:");
  for (const what of Object.keys(before) as (keyof Remains)[]) {
    console.log(
      `  ${what.padEnd(14)} ${[before, afterFirst, afterSecond].map((at) => String(at[what]).padStart(6)).join("")}`,
    );
  }
  const leftovers = leftoversOf(before, afterFirst, afterSecond);
  for (const leftover of leftovers) console.log(`LEFT BEHIND: ${leftover}`);
  if (flags.json !== undefined) {
    const result = {
      [`${count} at once: the last is Ready (ms)`]: {
        ours: lastReadyMs,
        peer: bareMs,
        ratio,
        budget: ratioMax,
        met: ratio <= ratioMax,
        unit: "ms",
        rounds: second.readyMs,
      },
    };
    writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  if (leftovers.length > 0) process.exitCode = 1;
} finally {
  server.kill("SIGTERM");
  if (server.exitCode === null) await new Promise((resolve) => server.once("exit", resolve));
  rmSync(stateDir, { recursive: true, force: true });
}

/** Asks for that many at once, waits for what becomes of each, ends all, and waits until they are forgotten. */
async function burst(url: string, size: number) {
  const acceptedMs: number[] = [];
  const readyMs: number[] = [];
  const readyIds: string[] = [];
  const startMs = performance.now();
  const outcomes = await Promise.all(
    Array.from({ length: size }, async () => {
      const id = await spawnBackend(url);
      acceptedMs.push(performance.now() - startMs);
      const outcome = await outcomeOf(url, id);
      if (outcome !== "Ready") return outcome;
      readyMs.push(performance.now() - startMs);
      readyIds.push(id);
      return outcome;
    }),
  );
  await Promise.all(readyIds.map((id) => expectHello(`${url}/${id}/`)));
  const programs = childrenOf(server.pid ?? 0).map((pid) => megabytesOf(pid, "Pss"));
  await Promise.all(readyIds.map((id) => ask(`${url}/api/backend/${id}`, { method: "DELETE" })));
  await until("all records are gone", async () => {
    const { backends } = (await (await ask(`${url}/api/backends`)).json()) as { backends: unknown[] };
    return backends.length === 0;
  });
  return { outcomes, acceptedMs, readyMs, programsMB: Math.round(programs.reduce((sum, each) => sum + each, 0)) };
}

/** On a connection of its own, which is closed with it: what stays open is the server's. */
function ask(
  url: string,
  { headers, ...init }: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  return fetch(url, { ...init, headers: { ...headers, connection: "close" }, signal: AbortSignal.timeout(waitMsMax) });
}

async function spawnBackend(url: string): Promise<string> {
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
  const response = await ask(`${url}/api/spawn`, init);
  if (!response.ok) throw new Error(await response.text());
  return ((await response.json()) as { name: string }).name;
}

/** Follows the states of a backend until it is ready or over. */
async function outcomeOf(url: string, id: string): Promise<string> {
  const response = await ask(`${url}/api/backend/${id}/status/stream`);
  let text = "";
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    const [, json] = /^data: (.*"state":"(?:Ready|Failed|Swept)".*)$/m.exec(text) ?? [];
    if (json === undefined) continue;
    const { state, reason, message } = JSON.parse(json) as { state: string; reason?: string; message?: string };
    return state === "Ready" ? state : `${reason}: ${message}`;
  }
  throw new Error(`the stream of ${id} ended, and it was neither ready nor over`);
}

async function expectHello(url: string): Promise<void> {
  const response = await ask(url);
  if ((await response.text()) !== "hello") throw new Error(`${url}: ${response.status}`);
}

/** Starts the program that many times at once, with nothing of Spawner. Resolves to when the last one listens. */
async function startBare(size: number): Promise<number> {
  const ports = await freePorts(size);
  const startMs = performance.now();
  const children = ports.map((port) =>
    spawn(process.execPath, [program], { env: { ...process.env, PORT: String(port) }, stdio: "ignore" }),
  );
  const exits = children.map((child) => new Promise((resolve) => child.once("exit", resolve)));
  try {
    await until("all programs listen", () => {
      const table = readFileSync("/proc/net/tcp", "latin1");
      return ports.every((port) => table.includes(`0100007F:${port.toString(16).toUpperCase().padStart(4, "0")} 0000`));
    });
    return performance.now() - startMs;
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(exits);
  }
}

/** Ports on which nobody listens, and that no outgoing connection is given (Linux gives those from 32768 up). */
async function freePorts(size: number): Promise<number[]> {
  const ports: number[] = [];
  for (let port = 10_000 + randomInt(8_000); ports.length < size; port++) if (await isFree(port)) ports.push(port);
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const holder = createServer();
    holder.once("error", () => resolve(false));
    holder.listen(port, "127.0.0.1", () => holder.close(() => resolve(true)));
  });
}

/** What the server holds once the last connections are closed, or should be. */
async function settledRemains(before: Remains, inspectorUrl: string): Promise<Remains> {
  await collectGarbage(inspectorUrl);
  const giveUpMs = performance.now() + settleMsMax;
  for (;;) {
    const remains = remainsOf(server, stateDir);
    if (counted.every((what) => remains[what] <= before[what]) || performance.now() > giveUpMs) return remains;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What is there after a burst that was not there before any. */
function leftoversOf(before: Remains, afterFirst: Remains, afterSecond: Remains): string[] {
  const leftovers = counted
    .filter((what) => afterFirst[what] > before[what] || afterSecond[what] > before[what])
    .map((what) => `${what}: ${before[what]} before, ${afterFirst[what]} and ${afterSecond[what]} after`);
  const grownMB = afterSecond.privateMB - afterFirst.privateMB;
  return grownMB > growthMBMax
    ? [...leftovers, `private memory: ${grownMB} MB more after the second burst`]
    : leftovers;
}

/** Waits for a condition; rejects after `waitMsMax`. */
async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpMs = performance.now() + waitMsMax;
  while (!(await condition())) {
    if (performance.now() > giveUpMs) throw new Error(`not within ${waitMsMax} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function showOutcomes(outcomes: readonly string[]): string {
  const counts = Map.groupBy(outcomes, (outcome) => outcome);
  return [...counts].map(([outcome, { length }]) => `${length} ${outcome}`).join(", ");
}

/** p50, p99 and the most. */
function show(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.ceil(sorted.length * part) - 1]?.toFixed(0) ?? "-";
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`;
}
