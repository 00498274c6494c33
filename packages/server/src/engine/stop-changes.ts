import { type BackendSpec, completeSpec } from "../core/resource.ts";
import type { StopOptions } from "./engine.ts";

/** What asking a backend to end changes in its spec: never to more time. Undefined where it was asked already, and for no less. */
export function stopChanges(
  spec: BackendSpec,
  { graceSeconds = Number.POSITIVE_INFINITY }: StopOptions,
): Partial<BackendSpec> | undefined {
  const isLess = graceSeconds < completeSpec(spec).terminationGracePeriodSeconds;
  if (spec.stopRequested && !isLess) return undefined;
  return { ...(isLess ? { terminationGracePeriodSeconds: graceSeconds } : {}), stopRequested: true };
}
