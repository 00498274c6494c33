import { expect, test } from "vitest";
import { holdToDocument } from "../../packages/server/src/api/conformance/run.ts";
import { heldBy } from "../../packages/server/src/api/conformance/target.ts";
import { eventually } from "../support/embedded.ts";
import { startEmbeddedTarget } from "../support/openapi-target.ts";

// SPAWNER_TEST_SEED looks elsewhere; what fails prints its seed and the path to the shortest sequence that does.
const seed = Number(process.env.SPAWNER_TEST_SEED ?? 1);

test("behind the gateway, whatever is asked of the API, the answer is one of the document's", async () => {
  const target = await startEmbeddedTarget();
  const before = await heldBy(target);
  const { requests, answers } = await holdToDocument(target, { seed, sequences: 40, runMs: 60_000 });
  expect(requests).toBeGreaterThanOrEqual(200);
  for (const answer of ["spawnBackend 200", "stopBackend 202", "wild 400"])
    expect([...answers.keys()]).toContain(answer);
  await eventually("nothing is held", async () => JSON.stringify(await heldBy(target)) === JSON.stringify(before));
}, 90_000);
