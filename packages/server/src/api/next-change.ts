import type { Backend } from "../core/resource.ts";
import { followBackend } from "./follow-backend.ts";
import type { RouteDeps } from "./route-deps.ts";

/**
 * The backend when it has another version than the one given, which it may have already; undefined when it is gone. As it was
 * given, where neither has happened after `mostMs`.
 */
export function nextChange(
  deps: Pick<RouteDeps, "clock" | "engine" | "hub">,
  seen: Backend,
  { mostMs }: { mostMs: number },
): Promise<Backend | undefined> {
  return new Promise((resolve) => {
    const settle = (latest: Backend | undefined) => {
      unfollow();
      timer.cancel();
      resolve(latest);
    };
    const timer = deps.clock.after(mostMs, () => settle(seen));
    const unfollow = followBackend(deps, seen, {
      onBackend: (latest) => {
        if (latest.metadata.resourceVersion !== seen.metadata.resourceVersion) settle(latest);
      },
      onGone: () => settle(undefined),
    });
  });
}
