import { expect, it } from "vitest";
import { runChaos } from "./chaos/run.ts";

it("4,000 exchanges of every kind, many broken off anywhere, leave nothing and are counted right", {
  timeout: 180_000,
}, async () => {
  const result = await runChaos({ seed: 1, exchanges: 4_000 });
  console.log("exchanges through two relays:", result);
  expect(result.held).toBeGreaterThan(50);
  expect(result.cut).toBeGreaterThan(10);
  expect(result.sockets.last).toBe(result.sockets.first);
  expect(result.heapBytes.last - result.heapBytes.first).toBeLessThan(2_000_000);
});
