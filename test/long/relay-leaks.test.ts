import { expect, test } from "vitest";
import { runChaos } from "../../packages/server/src/relay/chaos/run.ts";

/** SPAWNER_TEST_SEED runs from a seed again: the same acts, though the network has its own order of things. */
const seed = Number(process.env.SPAWNER_TEST_SEED ?? Date.now() % 2 ** 31);

test("100,000 exchanges, many broken off anywhere, leave nothing and are counted right", {
  timeout: 30 * 60_000,
}, async () => {
  const result = await runChaos({ seed, exchanges: 100_000 });
  console.log("exchanges through two relays:", result);
  expect(result.sockets.last).toBe(result.sockets.first);
  expect(result.heapBytes.last - result.heapBytes.first).toBeLessThan(3_000_000);
});
