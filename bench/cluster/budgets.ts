import type { Role } from "../../test/support/cluster/install.ts";
import { type BudgetResult, limited } from "../relay/budgets.ts";
import { ratiosOf, spreadOf } from "../relay/statistics.ts";
import type { Contender } from "./contenders.ts";
import type { Takeover } from "./leader.ts";
import type { Memory } from "./memory.ts";
import type { SidecarStart } from "./sidecar.ts";
import type { StartTimes, Step } from "./start-times.ts";
import { isOurs, type Life } from "./writes.ts";

export interface Measured {
  readonly rounds: readonly Readonly<Record<Contender, StartTimes>>[];
  /** Undefined where the audit log is not here. */
  readonly lives: readonly Life[] | undefined;
  readonly roles: Readonly<Record<Role, Memory>>;
  readonly sidecars: readonly Memory[];
  readonly sidecarStart: SidecarStart;
  readonly takeovers: readonly Takeover[];
}

/** Of each role at rest, private. */
const roleMBMax: Readonly<Record<Role, number>> = { sweeper: 40, controller: 60, api: 60, gateway: 40 };

export function judgeBudgets(measured: Measured): Record<string, BudgetResult> {
  const { rounds, lives, roles, sidecars, sidecarStart, takeovers } = measured;
  const answers = (contender: Contender) => timesOf(rounds, contender, "first answer");
  const ready = timesOf(rounds, "Spawner", "known ready");
  const ours = answers("Spawner");
  return {
    "spawn to first answer, x a bare Pod of both containers": ratio(ours, answers("bare Pod of both containers"), 1.05),
    "spawn to first answer, x a bare Pod of the application": ratio(ours, answers("bare Pod of the application"), 1.25),
    "said to be ready, x the first answer": ratio(ready, ours, 1.05),
    ...(lives === undefined ? {} : judgeWrites(lives)),
    ...Object.fromEntries(
      Object.entries(roles).map(([role, { privateMB }]) => [
        `${role} at rest, private`,
        limited([privateMB], { budget: roleMBMax[role as Role], unit: "MB" }),
      ]),
    ),
    "sidecar in a Pod, idle, private": limited(
      sidecars.map(({ privateMB }) => privateMB),
      { budget: 11, unit: "MB" },
    ),
    "sidecar in a Pod, idle, resident": limited(
      sidecars.map(({ residentMB }) => residentMB),
      { budget: 50, unit: "MB" },
    ),
    "sidecar start to serving, beyond bare Node's": limited(
      sidecarStart.sidecarMs.map((ms, round) => ms - (sidecarStart.bareMs[round] ?? Number.NaN)),
      { budget: 10, unit: "ms" },
    ),
    "leader killed, until the other one acts": limited(
      takeovers.map(({ actsMs }) => actsMs / 1_000),
      { budget: 15, unit: "s" },
    ),
  };
}

/** Of one contender's rounds, when a step was done. */
export function timesOf(rounds: Measured["rounds"], contender: Contender, step: Step): number[] {
  return rounds.map((round) => round[contender][step] ?? Number.NaN);
}

function judgeWrites(lives: readonly Life[]): Record<string, BudgetResult> {
  const of = (wanted: Contender) => lives.filter(({ contender }) => contender === wanted).map(({ writes }) => writes);
  const ours = of("Spawner");
  const all = ours.map(({ length }) => length);
  const bare = of("bare Pod of the application").map(({ length }) => length);
  return {
    "API server writes a life, by our components": limited(
      ours.map((writes) => writes.filter(isOurs).length),
      { budget: 8, unit: "writes" },
    ),
    "API server writes a life, beyond a bare Pod's": {
      ...limited(
        all.map((count, round) => count - (bare[round] ?? Number.NaN)),
        { budget: 14, unit: "writes" },
      ),
      ours: spreadOf(all).median,
      peer: spreadOf(bare).median,
    },
  };
}

function ratio(ours: readonly number[], peer: readonly number[], budget: number): BudgetResult {
  return {
    ...limited(ratiosOf(ours, peer), { budget, unit: "ms" }),
    ours: spreadOf(ours).median,
    peer: spreadOf(peer).median,
  };
}
