import type { Backend } from "../core/resource.ts";
import { followBackend } from "./follow-backend.ts";
import type { RouteDeps } from "./route-deps.ts";

/** A seal may be lifted without a change of the record: how often to look. */
export const sealedPollMs = 250;

/**
 * The backend when it has another version than the one given, which it may have already; undefined when it is gone. As it was
 * given, where neither has happened after `mostMs`. Rejects with the signal's reason once that aborts.
 */
export async function nextChange(
  deps: Pick<RouteDeps, "clock" | "engine" | "hub">,
  seen: Backend,
  { mostMs, signal }: { mostMs: number; signal: AbortSignal },
): Promise<Backend | undefined> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Backend | undefined>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  const timer = deps.clock.after(mostMs, () => resolve(seen));
  const unfollow = followBackend(deps, seen, {
    onBackend: (latest) => {
      if (latest.metadata.resourceVersion !== seen.metadata.resourceVersion) resolve(latest);
    },
    onGone: () => resolve(undefined),
  });
  try {
    return await promise;
  } finally {
    unfollow();
    timer.cancel();
    signal.removeEventListener("abort", onAbort);
  }
}
