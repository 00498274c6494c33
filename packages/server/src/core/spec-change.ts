import { isDeepStrictEqual } from "node:util";
import { type BackendSpec, completeSpec } from "./resource.ts";

/** Fields that say what becomes of a backend, or who asked for it, and not what it runs. */
const notCompared = [
  "key",
  "user",
  "requireToken",
  "failuresBefore",
  "stopRequested",
  "stopReason",
  "stopWhenIdle",
] as const satisfies readonly (keyof BackendSpec)[];

/** Whether two specs run the same, in the same way. A default that is written out is the same as none. */
export function runsTheSame(a: BackendSpec, b: BackendSpec): boolean {
  return isDeepStrictEqual(compared(a), compared(b));
}

function compared(spec: BackendSpec): object {
  const rest: Partial<BackendSpec> = { ...completeSpec(spec) };
  for (const field of notCompared) delete rest[field];
  return rest;
}
