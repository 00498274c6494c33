import { expect, test, vi } from "vitest";
import { startApiTarget } from "./conformance/api-target.ts";
import { holdToDocument } from "./conformance/run.ts";
import { heldBy } from "./conformance/target.ts";

/** What the requests must have come to at least, or they ask for too little. */
const reached = [
  "spawnBackend 200",
  "spawnBackend 400",
  "spawnBackend 413",
  "spawnBackend 415",
  "spawnBackend 429",
  "connect 200",
  "connect 400",
  "connect 429",
  "revokeConnections 200",
  "revokeConnections 400",
  "revokeConnections 404",
  "listBackends 200",
  "listBackends 400",
  "getBackend 200",
  "getBackend 404",
  "getBackendLogs 200",
  "getBackendStatus 200",
  "streamBackendStatus 200",
  "checkBackendReady 302",
  "checkBackendReady 404",
  "checkBackendReady 409",
  "checkBackendReady 410",
  "stopBackend 200",
  "stopBackend 202",
  "wild 200",
  "wild 404",
  "wild 405",
  "wild 415",
  "wild 431",
  "wild 501",
  "wild 505",
];

// SPAWNER_TEST_SEED looks elsewhere; what fails prints its seed and the path to the shortest sequence that does.
const seed = Number(process.env.SPAWNER_TEST_SEED ?? 1);

test.each(["tokens", "anonymous"] as const)(
  "whatever is asked, the answer is one of the document's (%s)",
  async (auth) => {
    const target = await startApiTarget(auth);
    const before = await heldBy(target);
    const { requests, answers } = await holdToDocument(target, { seed, sequences: 200, runMs: 120_000 });
    expect(requests).toBeGreaterThanOrEqual(500);
    expect(reached.filter((answer) => !answers.has(answer))).toEqual([]);
    expect(answers.has("getBackend 401")).toBe(auth === "tokens");
    await vi.waitFor(async () => expect(await heldBy(target)).toEqual(before), { timeout: 5_000 });
  },
  150_000,
);
