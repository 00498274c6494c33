import { SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import { isTakenBackSince } from "../core/revocations.ts";

/**
 * Throws `conflict` where a user's access was taken back since `before` was the latest revocation: whoever did that, while the user
 * was being connected, is not to find the user let in by a token that is younger.
 */
export function refuseTakenBack(before: string | undefined, latest: Backend, user: string | undefined): void {
  if (!isTakenBackSince(before, latest, user)) return;
  throw new SpawnerError(
    "conflict",
    "The user's access was taken back while the user was being connected: connect again where it is to be given anew.",
  );
}
