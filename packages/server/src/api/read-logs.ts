import type { Backend } from "../core/resource.ts";
import { rankOf } from "../core/states.ts";
import { stateOf } from "../core/status.ts";
import type { LogQuery } from "../engine/index.ts";
import { followBackend } from "./follow-backend.ts";
import type { Room } from "./room.ts";

type RequiredSignal = LogQuery & { readonly signal: AbortSignal };

/** The output of one generation; who follows it before its program has started waits for that. */
export async function* readLogs(room: Room, backend: Backend, query: RequiredSignal): AsyncGenerator<Uint8Array> {
  if (query.follow) await untilStarted(room, backend, query.signal);
  yield* room.engine.workloads.logs(backend.metadata, query);
}

/** Resolves when the program has started or never will, or the signal aborts. */
function untilStarted(room: Room, backend: Backend, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      signal.removeEventListener("abort", settle);
      unfollow();
      resolve();
    };
    const onBackend = (latest: Backend) => {
      if (rankOf(stateOf(latest)) >= rankOf("Running")) settle();
    };
    const unfollow = followBackend(room, backend, { onBackend, onGone: settle });
    signal.addEventListener("abort", settle);
    if (signal.aborted) settle();
  });
}
