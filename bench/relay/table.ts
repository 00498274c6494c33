import type { BudgetResult, Measured } from "./budgets.ts";
import { figuresOf, relativeRates } from "./report.ts";
import type { Sample } from "./rounds.ts";
import { spreadOf } from "./statistics.ts";

/** All that was measured, as tables of Markdown. */
export function tablesOf({ samples, footprints }: Measured, budgets: Readonly<Record<string, BudgetResult>>): string {
  const judged = Object.entries(budgets).map(([name, result]) => [
    name,
    figuresOf(result),
    `${result.budget}`,
    result.verdict,
  ]);
  const loads = [...samples].map(([{ name }, of]) => {
    const rows = [...of].map(([contender, rounds]) => {
      const { median, low, high } = relativeRates(of, contender);
      const middle = (value: (sample: Sample) => number, digits: number) => middleOf(rounds.map(value), digits);
      const ratio = `${median.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
      const times = [middle(({ p50Us }) => p50Us, 0), middle(({ p99Us }) => p99Us, 0)];
      return [contender, middle(({ rate }) => rate, 0), ratio, middle(({ cpuUs }) => cpuUs, 1), ...times];
    });
    return tableOf([name, "1/s", "x nginx", "CPU us", "p50 us", "p99 us"], rows);
  });
  const held = [...footprints].map(([name, each]) => [
    name,
    middleOf(
      each.map(({ privateMB }) => privateMB),
      1,
    ),
    middleOf(
      each.map(({ residentMB }) => residentMB),
      1,
    ),
    middleOf(
      each.map(({ kBPerWebSocket }) => kBPerWebSocket),
      1,
    ),
  ]);
  return [
    tableOf(["budget", "measured", "must", ""], judged),
    ...loads,
    tableOf(["memory", "private MB", "resident MB", "kB per idle WebSocket"], held),
  ].join("\n");
}

/** A value that could not be measured is left out. */
function middleOf(values: readonly number[], digits: number): string {
  const { median } = spreadOf(values);
  return Number.isNaN(median) ? "" : median.toFixed(digits);
}

function tableOf(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  return [header, header.map(() => "---"), ...rows].map(line).join("");
}
