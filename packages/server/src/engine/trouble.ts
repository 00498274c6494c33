import { isSpawnerError } from "../core/errors.ts";
import { TookTooLong } from "../lib/within.ts";

/**
 * The fields by which a log tells of a failure that will be tried again. Of somebody who is away no stack of ours says more
 * than the message does, and there may be a line for each backend.
 */
export function troubleOf(error: unknown): { problem: string } | { err: unknown } {
  const isAway = isSpawnerError(error, "unavailable") || error instanceof TookTooLong;
  return isAway ? { problem: error.message } : { err: error };
}
