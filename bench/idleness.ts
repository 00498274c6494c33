// Whether backends are swept when they should be: not while somebody is there, and soon after.
//   npm run bench:idleness -- [--quick] [--backends COUNT] [--seed NUMBER] [--json FILE]
// 100 backends with grace periods of 1 to 5 s are used at random in every way that there is, and left. The clients keep their
// own book of when each was last active, which is held against the time of Swept in its record, and of SIGTERM in its
// program.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Judgement, judge } from "./idleness/judge.ts";
import { type Life, measureIdleness } from "./idleness/measure.ts";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean" },
    backends: { type: "string", default: "100" },
    seed: { type: "string" },
    json: { type: "string" },
  },
});
const seed = Number(flags.seed ?? Math.floor(Math.random() * 2 ** 32));
const backends = Number(flags.backends);
const usedSeconds = flags.quick ? 10 : 60;

/** Nobody is to be swept early, and nobody later than this. */
const latenessMsMax = 1_000;

const stateDir = mkdtempSync(join(tmpdir(), "spawner-bench-"));
try {
  const lives = await measureIdleness({ backends, usedSeconds, graceSeconds: { least: 1, most: 5 }, seed, stateDir });
  const judgements = lives.map(judge);
  print(lives, judgements);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(resultOf(judgements), null, 2)}\n`);
  if (verdictOf(judgements) !== "met") process.exitCode = 1;
} finally {
  rmSync(stateDir, { recursive: true, force: true });
}

function print(lives: readonly Life[], judgements: readonly Judgement[]): void {
  console.log(`${backends} backends, grace periods of 1 to 5 s, used for ${usedSeconds} s, seed ${seed}`);
  console.log("activities that were served:");
  for (const [kind, count] of countKinds(lives)) console.log(`  ${String(count).padStart(6)}  ${kind}`);
  const late = judgements.map(({ lateMs }) => lateMs.atMost);
  const skews = judgements.map(({ lateMs }) => lateMs.atMost - lateMs.atLeast);
  const terminated = judgements.map(({ terminatedAfterMs }) => terminatedAfterMs);
  console.log("milliseconds (median, 99th percentile, worst):");
  console.log(`  Swept, after the grace period's end  ${show(late)}   must ${latenessMsMax}`);
  console.log(`    of it, left open by the books      ${show(skews)}`);
  console.log(`  SIGTERM in the program, after Swept  ${show(terminated)}`);
  const faults = judgements.flatMap((judgement) => judgement.faults);
  console.log(
    `swept early: ${judgements.filter(({ isEarly }) => isEarly).length}; not served as meant: ${faults.length}`,
  );
  for (const fault of faults) console.log(`  ${fault}`);
  for (const { described, lateMs } of judgements.filter(isLate)) {
    console.log(`  ${described}: swept ${lateMs.atLeast} to ${lateMs.atMost} ms late`);
  }
  console.log(verdictOf(judgements));
}

/** Where clients and programs themselves had to wait for the machine, the books may be too inexact to tell. */
function verdictOf(judgements: readonly Judgement[]): "met" | "not met" | "not told: the machine is too busy" {
  const all = (isSo: (judgement: Judgement) => boolean) => judgements.every(isSo);
  if (!all(({ isEarly, faults, lateMs }) => !isEarly && faults.length === 0 && lateMs.atLeast <= latenessMsMax)) {
    return "not met";
  }
  return judgements.some(isLate) ? "not told: the machine is too busy" : "met";
}

/** Whether it was swept too late, or may have been. */
function isLate({ lateMs }: Judgement): boolean {
  return lateMs.atMost > latenessMsMax;
}

function resultOf(judgements: readonly Judgement[]) {
  const rounds = judgements.map(({ lateMs }) => lateMs.atMost);
  const worst = Math.max(...rounds);
  return {
    "idleness: lateness of Swept, worst (ms)": {
      ours: worst,
      peer: latenessMsMax,
      ratio: worst / latenessMsMax,
      budget: latenessMsMax,
      met: verdictOf(judgements) === "met",
      unit: "ms",
      seed,
      early: judgements.filter(({ isEarly }) => isEarly).length,
      rounds,
    },
  };
}

function countKinds(lives: readonly Life[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { kinds } of lives) {
    for (const [kind, count] of kinds) counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  return [...counts].sort(([, a], [, b]) => b - a);
}

function show(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
  return [at(0.5), at(0.99), at(1)].map((value) => String(value).padStart(6)).join(" ");
}
