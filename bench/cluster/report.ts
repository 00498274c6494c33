import { type Spread, spreadOf } from "../relay/statistics.ts";
import type { AtOnce } from "./at-once.ts";
import { type Measured, timesOf } from "./budgets.ts";
import { contenders } from "./contenders.ts";
import type { Takeover } from "./leader.ts";
import type { Memory } from "./memory.ts";
import type { SidecarStart } from "./sidecar.ts";
import { steps } from "./start-times.ts";
import { type Life, tallyOf } from "./writes.ts";

export function printSteps(rounds: Measured["rounds"]): void {
  console.log(`\nms from being asked for, ${rounds.length} rounds in turn: median [95 % interval of the median]`);
  console.log(`${"".padEnd(24)}${contenders.map((name) => name.padStart(30)).join("")}`);
  for (const step of steps) {
    const columns = contenders.map((contender) => {
      const known = timesOf(rounds, contender, step).filter((ms) => !Number.isNaN(ms));
      return (known.length === 0 ? "-" : showSpread(spreadOf(known))).padStart(30);
    });
    console.log(`  ${step.padEnd(22)}${columns.join("")}`);
  }
}

export function printWrites(lives: readonly Life[] | undefined): void {
  if (lives === undefined) {
    console.log("\nwrites to the API server are not counted: SPAWNER_TEST_AUDIT_LOG does not name its audit log");
    return;
  }
  for (const contender of contenders) {
    const own = lives.filter((life) => life.contender === contender);
    const total = spreadOf(own.map(({ writes }) => writes.length)).median;
    console.log(`\nwrites to the API server a life, ${contender}: ${total} (${own.length} lives)`);
    for (const { what, aLife } of tallyOf(own)) console.log(`  ${aLife.toFixed(1).padStart(5)}  ${what}`);
  }
}

export function printAtOnce(all: readonly AtOnce[]): void {
  console.log("\nasked for at once, until the last one answered (said to be ready), s");
  for (const count of new Set(all.map((each) => each.count))) {
    const columns = contenders.map((wanted) => {
      const found = all.find((each) => each.contender === wanted && each.count === count);
      const ready = found?.readyMs === undefined ? "" : ` (${seconds(found.readyMs)})`;
      return `${found === undefined ? "-" : seconds(found.answeredMs)}${ready}`.padStart(30);
    });
    console.log(`  ${String(count).padEnd(22)}${columns.join("")}`);
  }
}

export interface RoleMemories {
  readonly what: string;
  readonly of: Measured["roles"];
}

export function printMemory(roles: readonly RoleMemories[], sidecars: readonly Memory[]): void {
  console.log("\nmemory, private / resident, MB");
  for (const { what, of } of roles) {
    const each = Object.entries(of).map(([role, memory]) => `${role} ${showMemory(memory)}`);
    console.log(`  ${what.padEnd(22)} ${each.join(", ")}`);
  }
  const median = (field: keyof Memory) => spreadOf(sidecars.map((each) => each[field])).median;
  const sidecar = { privateMB: median("privateMB"), residentMB: median("residentMB") };
  console.log(`  ${"a sidecar at rest".padEnd(22)} ${showMemory(sidecar)} (median of ${sidecars.length})`);
}

export function printSidecarStart({ sidecarMs, bareMs }: SidecarStart): void {
  console.log("\nfrom start to serving in a Pod, ms");
  console.log(`  ${"sidecar".padEnd(22)} ${showSpread(spreadOf(sidecarMs))}`);
  console.log(`  ${"Node that only listens".padEnd(22)} ${showSpread(spreadOf(bareMs))}`);
}

export function printTakeovers(takeovers: readonly Takeover[]): void {
  console.log("\nleader killed: until there was a Pod of a session asked for after its death, s");
  for (const { actsMs, sessions, doubled } of takeovers) {
    const found = doubled.length === 0 ? "nothing doubled" : `DOUBLED: ${doubled.join(", ")}`;
    console.log(`  ${seconds(actsMs)}, ${sessions} sessions begun around it, all came to be ready; ${found}`);
  }
}

function showSpread({ median, low, high }: Spread): string {
  return `${median.toFixed(0)} [${low.toFixed(0)}, ${high.toFixed(0)}]`;
}

function showMemory({ privateMB, residentMB }: Memory): string {
  return `${privateMB.toFixed(1)} / ${residentMB.toFixed(1)}`;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
