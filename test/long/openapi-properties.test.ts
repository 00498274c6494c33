import { expect, test } from "vitest";
import { startApiTarget } from "../../packages/server/src/api/conformance/api-target.ts";
import { holdToDocument } from "../../packages/server/src/api/conformance/run.ts";
import { heldBy } from "../../packages/server/src/api/conformance/target.ts";
import { eventually } from "../support/embedded.ts";
import { startEmbeddedTarget } from "../support/openapi-target.ts";

/** What fails prints its seed and the path to the shortest sequence that does; SPAWNER_TEST_SEED runs a seed again. */
const seed = Number(process.env.SPAWNER_TEST_SEED ?? Date.now() % 2 ** 31);
const runMs = 10 * 60_000;

test.each([
  ["the API with tokens", () => startApiTarget("tokens"), 20_000],
  ["the API for everybody", () => startApiTarget("anonymous"), 20_000],
  ["a gateway", startEmbeddedTarget, 5_000],
] as const)(
  "%s answers as the document says, whatever is asked",
  { timeout: runMs + 60_000 },
  async (what, start, requestsMin) => {
    const target = await start();
    const before = await heldBy(target);
    const { requests, answers } = await holdToDocument(target, { seed, sequences: requestsMin / 5, runMs });
    console.log(`${what}, seed ${seed}: ${requests} requests;`, Object.fromEntries([...answers].sort()));
    expect(requests).toBeGreaterThanOrEqual(requestsMin);
    await eventually("nothing is held", async () => JSON.stringify(await heldBy(target)) === JSON.stringify(before));
  },
);
