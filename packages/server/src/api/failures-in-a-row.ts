import { SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import { endedAt, stateOf, statusHistory, statusMessage } from "../core/status.ts";

/** Wait of a key after its second failure in a row, doubling with each to the most. */
const waitFirstMs = 1_000;
const waitMostMs = 60_000;

/**
 * How many backends of a key have failed in a row without having been ready, `old` being the last of them. Throws, with the
 * reason, while the next one has to wait.
 */
export function failuresInARow(old: Backend, now: Date): number {
  const wasReady = statusHistory(old).some(({ state }) => state === "Ready");
  if (stateOf(old) !== "Failed" || wasReady) return 0;
  const failures = (old.spec.failuresBefore ?? 0) + 1;
  // The first failure may have been chance: the next is started at once.
  const waitMs = failures === 1 ? 0 : Math.min(waitFirstMs * 2 ** (failures - 2), waitMostMs);
  const sinceMs = now.getTime() - (endedAt(old)?.getTime() ?? 0);
  // A clock that is ahead of ours makes nobody wait for longer.
  const leftMs = Math.min(waitMs - sinceMs, waitMs);
  if (leftMs <= 0) return failures;
  const { reason, message } = statusMessage(old);
  const seconds = Math.ceil(leftMs / 1000);
  throw new SpawnerError(
    "unavailable",
    `The last ${failures} backends of this key failed, and the next is not started for ${seconds} s. ${reason}: ${message}`,
    { retryAfterSeconds: seconds },
  );
}
