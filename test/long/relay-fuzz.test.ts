import { expect, test } from "vitest";
import { judgedByTheBackend, stricterBecause } from "../../packages/server/src/relay/fuzz/documented.ts";
import { fuzz } from "../../packages/server/src/relay/fuzz/run.ts";

/** What differs prints its seed; SPAWNER_TEST_SEED runs from a seed again. */
const seed = Number(process.env.SPAWNER_TEST_SEED ?? Date.now() % 2 ** 31);

test("the relay and llhttp agree about 1,000,000 streams of messages", { timeout: 30 * 60_000 }, async () => {
  const tally = await fuzz({ seed, cases: 1_000_000 });
  console.log(`1,000,000 cases from seed ${seed}:`, tally);
  expect([...tally.stricter.keys()].filter((kind) => !(kind in stricterBecause))).toEqual([]);
  expect([...tally.requestLines.keys()].filter((code) => !judgedByTheBackend.includes(code))).toEqual([]);
});
