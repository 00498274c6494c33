// What POST /connect takes on one machine, to keys whose backends live and to such that nobody has:
//   npm run bench:connect -- [--quick] [--json FILE] [--profile FOLDER]
// Beside it, in the same rounds, a bare Fastify route that signs one token. Servers have one core, callers the other.
//   npm run bench:connect -- --cluster [--quick] [--json FILE]
// The same to a live key on the cluster in KUBECONFIG, as bench:cluster is run.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runCallers } from "./connect/callers.ts";
import { type ColdConnect, coldParts, connectCold } from "./connect/cold.ts";
import { type Held, measureGrowth } from "./connect/memory.ts";
import { connectOnCluster } from "./connect/on-cluster.ts";
import { type BudgetResult, judge as judgeSpread } from "./relay/budgets.ts";
import { cpuUsOf, loadCore, proxyCore, startPinned, untilOutput } from "./relay/processes.ts";
import { ratiosOf, type Spread, spreadOf } from "./relay/statistics.ts";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean" },
    json: { type: "string" },
    profile: { type: "string" },
    cluster: { type: "boolean" },
  },
});
const rounds = flags.quick ? 6 : 20;
const forMs = flags.quick ? 700 : 1_500;
const coldRounds = flags.quick ? 10 : 40;
const growthConnects = flags.quick ? 20_000 : 100_000;
const keyCount = 10;
const callerCounts = [1, 10, 100] as const;
const contenders = ["bare", "connect"] as const;
type Contender = (typeof contenders)[number];

const pathOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const main = pathOf("../packages/server/src/cli/main.ts");
const program = pathOf("connect/program.mjs");
const address = /http:\/\/127\.0\.0\.1:(\d+)\/ /;

/** What was measured of one contender with so many callers, round by round. */
interface Samples {
  readonly p50: number[];
  readonly p99: number[];
  readonly perSecond: number[];
  /** CPU time of the server for each request. */
  readonly cpuUs: number[];
}

const stateDir = mkdtempSync(join(tmpdir(), "spawner-bench-"));
try {
  const budgets = flags.cluster ? await connectOnCluster({ rounds, forMs }) : await connectHere();
  for (const [name, { ours, interval, budget, met, unit }] of Object.entries(budgets)) {
    const range = `${round(interval[0])} to ${round(interval[1])}`;
    console.log(`${met ? "met   " : "MISSED"} ${name}: ${round(ours)} ${unit} (${range}), must ${budget}`);
  }
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(budgets, null, 2)}\n`);
} finally {
  rmSync(stateDir, { recursive: true, force: true });
}

async function connectHere(): Promise<Record<string, BudgetResult>> {
  const live = await measureLive();
  printLive(live);
  printCold(await measureCold());
  printGrowth(await measureGrowth({ args: argsOfServer("growth"), address, connects: growthConnects, body }));
  return judge(live);
}

function argsOfServer(folder: string): string[] {
  const state = ["--state-dir", join(stateDir, folder), "--grace-period", "3600", "--plain", "--log-level", "warn"];
  return [main, "dev", "--port", "0", ...state, "--", process.execPath, program];
}

async function measureLive(): Promise<ReadonlyMap<string, Samples>> {
  const profiling = flags.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${flags.profile}`];
  const pinned = {
    bare: startPinned({ core: proxyCore, program: process.execPath, args: [pathOf("connect/bare.mjs")] }),
    connect: startPinned({ core: proxyCore, program: process.execPath, args: [...profiling, ...argsOfServer("live")] }),
  };
  try {
    const ports = new Map<Contender, number>();
    for (const name of contenders) ports.set(name, Number((await untilOutput(pinned[name].child, address))[1]));
    moveToLoadCore();
    const samples = new Map<string, Samples>();
    // Starts the backends, and warms both up.
    for (const port of ports.values()) await runCallers({ port, callers: 10, forMs: 2 * forMs, body });
    for (let index = 0; index < rounds; index++) {
      for (const callers of callerCounts) {
        // Who goes first changes.
        for (const name of index % 2 === 0 ? contenders : contenders.toReversed()) {
          const port = ports.get(name) ?? Number.NaN;
          const beforeUs = cpuUsOf(pinned[name].pid);
          const { tookMs, perSecond } = await runCallers({ port, callers, forMs, body });
          const cpuUs = (cpuUsOf(pinned[name].pid) - beforeUs) / tookMs.length;
          const sorted = tookMs.toSorted((a, b) => a - b);
          const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
          const known = samples.get(`${name} ${callers}`) ?? noSamples();
          known.p50.push(at(0.5));
          known.p99.push(at(0.99));
          known.perSecond.push(perSecond);
          known.cpuUs.push(cpuUs);
          samples.set(`${name} ${callers}`, known);
        }
      }
    }
    return samples;
  } finally {
    pinned.connect.child.kill("SIGINT"); // ends the programs too
    await Promise.all([once(pinned.connect.child, "exit"), pinned.bare.stop()]);
  }
}

function noSamples(): Samples {
  return { p50: [], p99: [], perSecond: [], cpuUs: [] };
}

function body(caller: number, request: number): string {
  return JSON.stringify({ key: `document-${(caller + request) % keyCount}`, user: `user-${caller}` });
}

/** This process. Programs that are started later would inherit it. */
function moveToLoadCore(): void {
  spawn("taskset", ["-cp", String(loadCore), String(process.pid)], { stdio: "ignore" });
}

async function measureCold(): Promise<ColdConnect[]> {
  // On both cores, as it is without anybody who measures.
  const server = spawn("taskset", ["-c", "0,1", process.execPath, ...argsOfServer("cold")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [, port] = await untilOutput(server, address);
    const measured: ColdConnect[] = [];
    for (let index = -3; index < coldRounds; index++) {
      const one = await connectCold(`http://127.0.0.1:${port}`, `cold-${index}`);
      if (index >= 0) measured.push(one); // the first ones are for warming up
    }
    return measured;
  } finally {
    await end(server);
  }
}

async function end(server: ChildProcess): Promise<void> {
  server.kill("SIGINT");
  await once(server, "exit");
}

function judge(live: ReadonlyMap<string, Samples>): Record<string, BudgetResult> {
  const of = (name: Contender, callers: number) => live.get(`${name} ${callers}`) ?? noSamples();
  const result = (ours: readonly number[], peer: readonly number[], budget: number, unit: string): BudgetResult => {
    const { median, low, high } = spreadOf(ours);
    return {
      ours: median,
      peer: spreadOf(peer).median,
      ratio: spreadOf(ratiosOf(ours, peer)).median,
      interval: [low, high],
      budget,
      ...judgeSpread({ low, high }, { budget, atLeast: unit !== "ms" }),
      unit,
      rounds: ours,
    };
  };
  const one = [of("connect", 1).p50, of("bare", 1).p50] as const;
  const ten = [of("connect", 10).perSecond, of("bare", 10).perSecond] as const;
  return {
    "connect to a live key, one caller, median": result(...one, 0.6, "ms"),
    "connect to a live key, one caller, median (aim)": result(...one, 0.3, "ms"),
    "connects to live keys a second, 10 callers": result(...ten, 4_000, "/s"),
    "connects to live keys a second, 10 callers (aim)": result(...ten, 10_000, "/s"),
  };
}

function printLive(live: ReadonlyMap<string, Samples>): void {
  console.log(`connects to ${keyCount} live keys, ${rounds} rounds in turn, median and its 95 % interval:`);
  console.log(
    "              callers   p50 ms                 p99 ms                 a second               CPU us each",
  );
  for (const callers of callerCounts) {
    for (const name of contenders) {
      const { p50, p99, perSecond, cpuUs } = live.get(`${name} ${callers}`) ?? noSamples();
      const cells = [p50, p99, perSecond, cpuUs].map((values) => show(spreadOf(values)).padEnd(22));
      console.log(`  ${name.padEnd(12)} ${String(callers).padStart(6)}   ${cells.join(" ")}`);
    }
  }
}

function printCold(cold: readonly ColdConnect[]): void {
  console.log(`a connect to a new key, ms since it was asked for, ${cold.length} rounds (median, 95 % interval):`);
  const meanings: Record<(typeof coldParts)[number], string> = {
    answered: "answered: the record is written",
    started: "its program has begun",
    listening: "which listens",
    readyKnown: "the status stream says so",
    firstAnswer: "the first answer is there",
  };
  for (const part of coldParts) {
    console.log(`  ${meanings[part].padEnd(34)} ${show(spreadOf(cold.map((each) => each[part])))}`);
  }
}

function printGrowth({ before, after }: { before: Held; after: Held }): void {
  const grown = (what: keyof Held) => `${before[what].toFixed(1)} -> ${after[what].toFixed(1)} MB`;
  const held = `heap ${grown("heapMB")}, resident ${grown("residentMB")}`;
  console.log(`the server before and after ${growthConnects} more connects, its garbage collected: ${held}`);
}

function show({ median, low, high }: Spread): string {
  return `${round(median)} (${round(low)}-${round(high)})`;
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 3);
}
