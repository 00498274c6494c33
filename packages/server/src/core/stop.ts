import { type Backend, type BackendSpec, completeSpec } from "./resource.ts";
import { hasEnded } from "./status.ts";

/** How a backend is asked to end. */
export interface StopRequest {
  /** At most this long between asking the program to end and killing it. Default: what the spec says. */
  readonly graceSeconds?: number | undefined;
  /** Only as soon as nobody is connected and no hold runs, as Superseded. Default: at once. */
  readonly whenIdle?: boolean | undefined;
  /** What to call the end. Default: Requested. */
  readonly reason?: "Superseded" | undefined;
}

/** What a request to end changes of a spec: never back, and never to more time. Undefined where it changes nothing. */
export function stopChanges(backend: Backend, request: StopRequest, now: Date): Partial<BackendSpec> | undefined {
  const { spec } = backend;
  const { graceSeconds = Number.POSITIVE_INFINITY, whenIdle = false, reason } = request;
  const isLess = graceSeconds < completeSpec(spec).terminationGracePeriodSeconds;
  const isNew = whenIdle ? !spec.stopWhenIdle && !spec.stopRequested : !spec.stopRequested;
  if (!isNew && !isLess) return undefined;
  return {
    ...(isLess ? { terminationGracePeriodSeconds: graceSeconds } : {}),
    ...(isNew && whenIdle ? { stopWhenIdle: true } : {}),
    ...(isNew && !whenIdle ? { stopRequested: true, ...(reason === undefined ? {} : { stopReason: reason }) } : {}),
    // One that has ended was not asked to before.
    ...(isNew && !whenIdle && !hasEnded(backend) ? { stopRequestedAt: now.toISOString() } : {}),
  };
}
