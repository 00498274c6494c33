import { expect, test } from "vitest";
import { raceAgainstClosing } from "../support/repeats.ts";

/** SPAWNER_TEST_SEED runs from a seed again. */
const seed = Number(process.env.SPAWNER_TEST_SEED ?? Date.now() % 2 ** 31);

test("beside a program that closes its connections, 50,000 requests are answered as they may be", {
  timeout: 600_000,
}, async () => {
  const tally = await raceAgainstClosing({ seed, rounds: 50_000 });
  console.log(`50,000 requests from seed ${seed}:`, tally);
  expect(tally).toMatchObject({ requests: 50_000, failedSafe: 0, sentTwice: 0 });
  expect(tally.repeated).toBeGreaterThan(0);
});
