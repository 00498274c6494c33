import { expect, test } from "vitest";
import { judge } from "../../bench/idleness/judge.ts";
import { measureIdleness } from "../../bench/idleness/measure.ts";
import { temporaryFolder } from "../support/dev.ts";

/** `npm run bench:idleness` does the same with 100 backends, and prints the figures. */
test("backends that are used at random are swept when they have been left for the grace period, neither early nor late", async () => {
  const lives = await measureIdleness({
    backends: 10,
    usedSeconds: 3,
    graceSeconds: { least: 1, most: 2 },
    seed: 1,
    stateDir: temporaryFolder(),
  });
  const judgements = lives.map(judge);
  expect(judgements.flatMap(({ faults }) => faults)).toEqual([]);
  expect(judgements.filter(({ isEarly }) => isEarly)).toEqual([]);
  expect(Math.max(...judgements.map(({ lateMs }) => lateMs.atLeast))).toBeLessThan(1_000);
  expect(Math.max(...judgements.map(({ terminatedAfterMs }) => terminatedAfterMs))).toBeLessThan(1_000);
});
