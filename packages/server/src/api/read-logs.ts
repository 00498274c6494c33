import type { Backend } from "../core/resource.ts";
import { rankOf } from "../core/states.ts";
import { stateOf } from "../core/status.ts";
import type { LogQuery } from "../engine/index.ts";
import { followBackend } from "./follow-backend.ts";
import type { RouteDeps } from "./route-deps.ts";

type RequiredSignal = LogQuery & { readonly signal: AbortSignal };

/** The output of one generation; who follows it before its program has started waits for that. */
export async function* readLogs(deps: RouteDeps, backend: Backend, query: RequiredSignal): AsyncGenerator<Uint8Array> {
  if (query.follow) await untilStarted(deps, backend, query.signal);
  yield* deps.engine.workloads.logs(backend.metadata, query);
}

/** Resolves when the program has started or never will, or the signal aborts. */
function untilStarted(deps: RouteDeps, backend: Backend, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      signal.removeEventListener("abort", settle);
      unfollow();
      resolve();
    };
    const onBackend = (latest: Backend) => {
      if (rankOf(stateOf(latest)) >= rankOf("Running")) settle();
    };
    const unfollow = followBackend(deps, backend, { onBackend, onGone: settle });
    signal.addEventListener("abort", settle);
    if (signal.aborted) settle();
  });
}
