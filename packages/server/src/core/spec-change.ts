import { isDeepStrictEqual } from "node:util";
import { type BackendSpec, completeSpec } from "./resource.ts";

/** Whether two specs run the same, in the same way. A default that is written out is the same as none. */
export function runsTheSame(a: BackendSpec, b: BackendSpec): boolean {
  return isDeepStrictEqual(compared(a), compared(b));
}

/** Without the fields that say what becomes of a backend, or who asked for it, and not what it runs. */
function compared(spec: BackendSpec): object {
  const { key, user, requireToken, failuresBefore, stopRequested, stopRequestedAt, stopReason, stopWhenIdle, ...runs } =
    completeSpec(spec);
  return runs;
}
