import type { BudgetResult, Measured } from "./budgets.ts";
import { type ContenderName, contenderNames as names } from "./contender.ts";
import type { Samples } from "./rounds.ts";
import { ratiosOf, type Spread, spreadOf } from "./statistics.ts";

/** Each contender's peer: what its ratios are to. */
function peerOf(name: ContenderName): ContenderName {
  if (name === names.chain || name === names.nginxChain) return names.nginxChain;
  const relays: readonly ContenderName[] = [names.sidecar, names.nginx, names.haproxy, names.copy, names.direct];
  return relays.includes(name) ? names.nginx : names.nginxPaths;
}

/** A contender's rates as multiples of its peer's. */
export function relativeRates(samples: Samples, name: ContenderName): Spread {
  const ratesOf = (each: ContenderName) => (samples.get(each) ?? []).map(({ rate }) => rate);
  return spreadOf(ratiosOf(ratesOf(name), ratesOf(peerOf(name))));
}

export function printSamples({ samples }: Measured): void {
  for (const [{ name }, of] of samples) {
    console.log(`\n${name}`);
    console.log(`${"".padEnd(26)}     rate/s   x nginx [interval]     CPU us   p50 us   p99 us`);
    for (const [contender, rounds] of of) {
      const median = (values: readonly number[]) => spreadOf(values).median;
      const { median: ratio, low, high } = relativeRates(of, contender);
      const figures = [
        median(rounds.map(({ rate }) => rate))
          .toFixed(0)
          .padStart(10),
        `${ratio.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`.padStart(21),
        median(rounds.map(({ cpuUs }) => cpuUs))
          .toFixed(1)
          .padStart(10),
        median(rounds.map(({ p50Us }) => p50Us))
          .toFixed(0)
          .padStart(8),
        median(rounds.map(({ p99Us }) => p99Us))
          .toFixed(0)
          .padStart(8),
      ];
      console.log(`  ${contender.padEnd(24)} ${figures.join(" ")}`);
    }
  }
}

export function printFootprints({ footprints, starts }: Measured): void {
  console.log("\nmemory at rest (private, resident MB), for each of 1,000 idle WebSockets (kB)");
  for (const [name, each] of footprints) {
    const median = (values: readonly number[]) => spreadOf(values).median.toFixed(1).padStart(8);
    const columns = [
      each.map(({ privateMB }) => privateMB),
      each.map(({ residentMB }) => residentMB),
      each.map(({ kBPerWebSocket }) => kBPerWebSocket),
    ];
    console.log(`  ${name.padEnd(24)} ${columns.map(median).join(" ")}`);
  }
  const medianMs = (values: readonly number[]) => spreadOf(values).median.toFixed(1);
  console.log("\nfrom start to serving (ms)");
  console.log(`  ${"sidecar".padEnd(24)} ${medianMs(starts.map(({ sidecarMs }) => sidecarMs)).padStart(8)}`);
  console.log(`  ${"Node that only listens".padEnd(24)} ${medianMs(starts.map(({ bareMs }) => bareMs)).padStart(8)}`);
}

/** The middle, the interval, and how wide that is: its high as a multiple of its low. */
export function figuresOf({ ratio, interval, unit, peer }: BudgetResult): string {
  const [low, high] = interval;
  const width = low > 0 ? `, ${(high / low).toFixed(2)} wide` : "";
  return `${ratio.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}${width}] ${peer === undefined ? unit : "x"}`;
}

export function printBudgets(budgets: Readonly<Record<string, BudgetResult>>): void {
  console.log("\nbudgets");
  for (const [name, result] of Object.entries(budgets)) {
    const { budget, verdict } = result;
    console.log(`  ${name.padEnd(60)} ${figuresOf(result).padEnd(42)} must ${budget} ${verdict}`);
  }
}
