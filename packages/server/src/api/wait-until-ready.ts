import { deadlines } from "../core/deadlines.ts";
import { SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded, stateOf, statusMessage } from "../core/status.ts";
import type { Holds } from "./holds.ts";
import { nextChange, sealedPollMs } from "./next-change.ts";
import type { RouteDeps } from "./route-deps.ts";

export interface WaitDeps extends Pick<RouteDeps, "clock" | "engine" | "hub"> {
  readonly holds: Holds;
}

/**
 * The backend when it is ready, or when `waitReadyMs` are over; held then, since it was not before it had a place, and a hold from
 * before is over. Rejects with `backend_ended` where it ends first, or is asked to.
 */
export async function waitUntilReady(
  deps: WaitDeps,
  first: Backend,
  { signal }: { signal: AbortSignal },
): Promise<Backend> {
  if (stateOf(first) === "Ready") return first; // and held just now
  const untilMs = deps.clock.monotonicMs() + deadlines.waitReadyMs;
  for (let backend = first; ; ) {
    refuseEnding(backend);
    const leftMs = untilMs - deps.clock.monotonicMs();
    const isToBeHeld = stateOf(backend) === "Ready" || leftMs <= 0;
    if (isToBeHeld && (await deps.holds.hold(backend))) return backend;
    if (leftMs <= 0) throw new SpawnerError("unavailable", "The backend is about to end, and has not.");
    // Sealed, or about to be heard of as ending: where a seal is lifted, its record does not change.
    const mostMs = isToBeHeld ? Math.min(leftMs, sealedPollMs) : leftMs;
    const latest = await nextChange(deps, backend, { mostMs, signal });
    if (latest === undefined) throw endedBeforeReady("Its record was deleted.");
    backend = latest;
  }
}

function refuseEnding(backend: Backend): void {
  if (hasEnded(backend)) throw endedBeforeReady(statusMessage(backend).message);
  if (backend.spec.stopRequested) {
    throw new SpawnerError("backend_ended", "The backend was asked to end before it could be handed out.");
  }
}

function endedBeforeReady(message = ""): SpawnerError {
  return new SpawnerError("backend_ended", `The backend ended before it was ready. ${message}`.trim());
}
