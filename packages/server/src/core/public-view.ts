import { withoutOutput } from "./describe-output.ts";
import type { Backend } from "./resource.ts";

/**
 * A backend as it is shown to whoever knows its id alone, which is no secret where it follows from a key. What its program
 * wrote is for those who are let in: `asksForToken` says whether they are asked. Default: where the backend itself has them asked.
 */
export function publicView(backend: Backend, asksForToken = backend.spec.requireToken === true): Backend {
  const { message } = backend.status;
  if (!asksForToken || message === undefined) return backend;
  return { ...backend, status: { ...backend.status, message: withoutOutput(message) } };
}
