import type { ContenderName } from "./contender.ts";
import { contenderNames as names } from "./contender.ts";
import type { Footprint } from "./resources.ts";
import type { Sample, Samples } from "./rounds.ts";
import { type Scenario, scenarios } from "./scenarios.ts";
import { ratiosOf, type Spread, spreadOf } from "./statistics.ts";

/** One line of the budgets, as `--json` writes it. */
export interface BudgetResult {
  readonly ours: number;
  /** Of the peer, where there is one. */
  readonly peer: number | undefined;
  /** What the budget is held to: ours to the peer's, or ours. */
  readonly ratio: number;
  /** Of the ratio. */
  readonly interval: readonly [low: number, high: number];
  readonly budget: number;
  readonly verdict: Verdict;
  readonly met: boolean;
  readonly unit: string;
  readonly rounds: readonly number[];
}

/** What an interval says of a budget: met, where it reaches it. */
type Verdict = "met" | "NOT MET" | "too noisy to tell";

/** An interval that is wider, from its low to its high, decides only where all of it is on one side of the budget. */
const widthMax = 1.5;
/** Fewer rounds under load have no interval worth the name. */
const roundsMin = 3;

export interface Measured {
  readonly samples: ReadonlyMap<Scenario, Samples>;
  readonly footprints: ReadonlyMap<ContenderName, readonly Footprint[]>;
  readonly starts: readonly { readonly sidecarMs: number; readonly bareMs: number }[];
}

export function judgeBudgets({ samples, footprints, starts }: Measured): Record<string, BudgetResult> {
  const { small50, small200, websocket100 } = scenarios;
  const sidecar = { ours: names.sidecar, peer: names.nginx };
  const gateway = { ours: names.gatewayTokens, peer: names.nginxPaths };
  const compare = (scenario: Scenario, who: { ours: ContenderName; peer: ContenderName }, what: Comparison) =>
    compared(samples.get(scenario), who, what);
  const rate = (budget: number): Comparison => ({ of: ({ rate }) => rate, budget, unit: "1/s", atLeast: true });
  const p99 = (budget: number): Comparison => ({ of: ({ p99Us }) => p99Us, budget, unit: "us", atLeast: false });
  const perCpu: Comparison = { of: ({ cpuUs }) => 1 / cpuUs, budget: 0.9, unit: "1/us of CPU", atLeast: true };
  const held = (name: ContenderName, of: (footprint: Footprint) => number, limit: { budget: number; unit: string }) =>
    limited((footprints.get(name) ?? []).map(of), limit);
  return {
    "sidecar requests/s, 50 connections, x nginx": compare(small50, sidecar, rate(0.9)),
    "sidecar requests/s, 200 connections, x nginx": compare(small200, sidecar, rate(0.9)),
    "sidecar p99, 50 connections, x nginx": compare(small50, sidecar, p99(2)),
    "sidecar p99, 200 connections, x nginx": compare(small200, sidecar, p99(2)),
    "gateway requests/s, path routing, token checked, x nginx": compare(small50, gateway, rate(0.75)),
    "gateway requests/s, path routing, token checked, x configurable-http-proxy": compare(
      small50,
      { ours: names.gatewayTokens, peer: names.nodeProxy },
      rate(7),
    ),
    // One of these two is enough.
    "WebSocket messages/s, 100 connections, x nginx": compare(websocket100, sidecar, rate(0.9)),
    "WebSocket messages a CPU second, 100 connections, x nginx": compare(websocket100, sidecar, perCpu),
    "sidecar idle, private": held(names.sidecar, ({ privateMB }) => privateMB, { budget: 11, unit: "MB" }),
    "sidecar idle, resident": held(names.sidecar, ({ residentMB }) => residentMB, { budget: 50, unit: "MB" }),
    "sidecar start to serving, beyond bare Node's": limited(
      starts.map(({ sidecarMs, bareMs }) => sidecarMs - bareMs),
      { budget: 10, unit: "ms" },
    ),
    "memory per idle WebSocket, sidecar": held(names.sidecar, ({ kBPerWebSocket }) => kBPerWebSocket, {
      budget: 12,
      unit: "kB",
    }),
    "memory per idle WebSocket, gateway": held(names.gatewayMany, ({ kBPerWebSocket }) => kBPerWebSocket, {
      budget: 12,
      unit: "kB",
    }),
  };
}

interface Comparison {
  readonly of: (sample: Sample) => number;
  readonly budget: number;
  readonly unit: string;
  /** Whether the ratio is to be at least the budget, or at most. */
  readonly atLeast: boolean;
}

function compared(
  samples: Samples | undefined,
  who: { ours: ContenderName; peer: ContenderName },
  { of, budget, unit, atLeast }: Comparison,
): BudgetResult {
  const valuesOf = (name: ContenderName) => (samples?.get(name) ?? []).map(of);
  const rounds = ratiosOf(valuesOf(who.ours), valuesOf(who.peer));
  const { median, low, high } = spreadOf(rounds);
  return {
    ours: spreadOf(valuesOf(who.ours)).median,
    peer: spreadOf(valuesOf(who.peer)).median,
    ratio: median,
    interval: [low, high],
    budget,
    ...(rounds.length < roundsMin ? unclear : judge({ low, high }, { budget, atLeast })),
    unit,
    rounds,
  };
}

/** What has a limit of its own, and no peer. */
export function limited(rounds: readonly number[], { budget, unit }: { budget: number; unit: string }): BudgetResult {
  const { median, low, high } = spreadOf(rounds);
  const judged = judge({ low, high }, { budget, atLeast: false });
  return { ours: median, peer: undefined, ratio: median, interval: [low, high], budget, ...judged, unit, rounds };
}

type Judgement = Pick<BudgetResult, "verdict" | "met">;

const unclear: Judgement = { verdict: "too noisy to tell", met: false };

export function judge(
  { low, high }: Pick<Spread, "low" | "high">,
  { budget, atLeast }: { budget: number; atLeast: boolean },
): Judgement {
  const reaches = (value: number) => (atLeast ? value >= budget : value <= budget);
  const [best, worst] = atLeast ? [high, low] : [low, high];
  if (!reaches(best)) return { verdict: "NOT MET", met: false };
  if (reaches(worst) || high <= widthMax * low) return { verdict: "met", met: true };
  return unclear;
}
