// How much Spawner adds to starting a program on one machine, and what it costs to have many of them:
//   npm run bench:embedded -- [--quick] [--json FILE]
// Each round starts the same program twice: bare, from fork to its first answer, and by POST /spawn, to the first answer
// through the gateway. The two take turns, and who goes first changes.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({ options: { quick: { type: "boolean" }, json: { type: "string" } } });
const rounds = flags.quick ? 15 : 60;
const manyBackends = flags.quick ? 20 : 100;

const program = fileURLToPath(new URL("programs/hello.mjs", import.meta.url));
const main = fileURLToPath(new URL("../packages/server/src/cli/main.ts", import.meta.url));
const stateDir = mkdtempSync(join(tmpdir(), "spawner-bench-"));

/** What Spawner may add to a start, and what it aims at, in milliseconds. */
const budgetMs = { must: 15, aim: 8 };

const server = spawn(
  process.execPath,
  [main, "dev", "--port", "0", "--state-dir", stateDir, "--backends-max", "1000", "--", process.execPath, program],
  { stdio: ["ignore", "pipe", "inherit"] },
);
try {
  const url = await addressOf(server);
  const empty = memoryOf(server);
  for (let i = 0; i < 5; i++) await roundOf(url, i); // warm-up
  const bareMs: number[] = [];
  const oursMs: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const round = await roundOf(url, i);
    bareMs.push(round.bareMs);
    oursMs.push(round.oursMs);
  }
  const addedMs = oursMs.map((ours, i) => ours - (bareMs[i] ?? 0));
  const before = memoryOf(server);
  const ids = await Promise.all(Array.from({ length: manyBackends }, () => spawnBackend(url)));
  for (const id of ids) await get(`${url}/${id}/`);
  const after = memoryOf(server);

  const added = summarize(addedMs);
  console.log(`starting a program, milliseconds, ${rounds} rounds in turn (median, 95 % interval of the median):`);
  console.log(`  bare: fork to first answer        ${show(summarize(bareMs))}`);
  console.log(`  POST /spawn to first answer       ${show(summarize(oursMs))}`);
  console.log(`  added by Spawner                  ${show(added)}   must ${budgetMs.must}, aim ${budgetMs.aim}`);
  console.log("memory of the server, MB private / resident (development sources, with their types stripped):");
  console.log(`  at rest, at first                 ${empty.privateMB} / ${empty.residentMB}`);
  console.log(`  with 0 backends, after the rounds ${before.privateMB} / ${before.residentMB}`);
  console.log(
    `  with ${manyBackends} backends${" ".repeat(21 - String(manyBackends).length)} ${after.privateMB} / ${after.residentMB}`,
  );
  if (flags.json !== undefined) {
    const result = {
      "embedded: spawn to first answer, added (ms)": {
        ours: summarize(oursMs).median,
        peer: summarize(bareMs).median,
        ratio: summarize(oursMs).median / summarize(bareMs).median,
        budget: budgetMs.must,
        met: added.high <= budgetMs.must,
        unit: "ms",
        rounds: addedMs,
      },
    };
    writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);
  }
} finally {
  server.kill("SIGINT");
  await new Promise((resolve) => server.once("exit", resolve));
  rmSync(stateDir, { recursive: true, force: true });
}

async function roundOf(url: string, index: number): Promise<{ bareMs: number; oursMs: number }> {
  if (index % 2 === 0) {
    const bareMs = await startBare();
    return { bareMs, oursMs: await startOurs(url) };
  }
  const oursMs = await startOurs(url);
  return { bareMs: await startBare(), oursMs };
}

/** From fork to the first answer of the program itself, asked again and again until it listens. */
async function startBare(): Promise<number> {
  const port = await freePort();
  const startMs = performance.now();
  const child = spawn(process.execPath, [program], { env: { ...process.env, PORT: String(port) }, stdio: "ignore" });
  while (!(await answers(port)));
  const tookMs = performance.now() - startMs;
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
  return tookMs;
}

async function startOurs(url: string): Promise<number> {
  const startMs = performance.now();
  const id = await spawnBackend(url);
  await get(`${url}/${id}/`);
  const tookMs = performance.now() - startMs;
  await fetch(`${url}/api/backend/${id}`, { method: "DELETE" });
  await ended(url, id);
  return tookMs;
}

async function spawnBackend(url: string): Promise<string> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}/api/spawn`, { method: "POST", headers, body: "{}" });
  if (!response.ok) throw new Error(await response.text());
  return ((await response.json()) as { name: string }).name;
}

async function get(url: string): Promise<void> {
  const response = await fetch(url);
  if ((await response.text()) !== "hello") throw new Error(`${url}: ${response.status}`);
}

async function answers(port: number): Promise<boolean> {
  try {
    await get(`http://127.0.0.1:${port}/`);
    return true;
  } catch {
    // Refused: it does not listen yet.
    await new Promise((resolve) => setTimeout(resolve, 1));
    return false;
  }
}

/** The stream of a backend's states ends after its end. */
async function ended(url: string, id: string): Promise<void> {
  await (await fetch(`${url}/api/backend/${id}/status/stream`)).text();
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    child.stdout?.on("data", (bytes) => {
      text += bytes;
      const [, url] = /(http:\/\/127\.0\.0\.1:\d+)\/ /.exec(text) ?? [];
      if (url !== undefined) resolve(url);
    });
  });
}

/** From /proc/<pid>/smaps_rollup (Linux): what is its own, and what is in memory for it. */
function memoryOf({ pid }: ChildProcess): { privateMB: number; residentMB: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
  const privateKB = kilobytes("Private_Clean") + kilobytes("Private_Dirty");
  return { privateMB: Math.round(privateKB / 102.4) / 10, residentMB: Math.round(kilobytes("Rss") / 102.4) / 10 };
}

/** The median, with the interval that holds it with 95 % confidence (order statistics of a binomial, normal approximation). */
function summarize(values: readonly number[]): { median: number; low: number; high: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[Math.min(Math.max(Math.round(index), 0), sorted.length - 1)] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  const spread = 0.98 * Math.sqrt(sorted.length);
  return { median: at(middle), low: at(middle - spread), high: at(middle + spread) };
}

function show({ median, low, high }: { median: number; low: number; high: number }): string {
  return `${median.toFixed(1).padStart(6)} [${low.toFixed(1)}, ${high.toFixed(1)}]`;
}
