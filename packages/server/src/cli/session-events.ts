import type { StatusMessage } from "@spawner/client";
import type { Backend } from "../core/resource.ts";
import { rankOf } from "../core/states.ts";
import { hasEnded, statusHistory } from "../core/status.ts";
import type { BackendChange } from "../engine/index.ts";

/** A state that a session has reached. */
export interface SessionEvent {
  readonly backend: Backend;
  readonly status: StatusMessage;
}

/**
 * Makes events of a watch's changes, each once. Sessions that had ended before the watch began are passed over, and so is a
 * state that becomes known after a later one.
 */
export function makeSessionEvents(tell: (event: SessionEvent) => void): (change: BackendChange) => void {
  /** Rank of the last state told, by UID. */
  const told = new Map<string, number>();
  let hasSynced = false;
  return (change) => {
    if (change.kind === "synced") {
      hasSynced = true;
      return;
    }
    const { backend } = change;
    const { uid } = backend.metadata;
    if (change.kind === "deleted") return void told.delete(uid);
    const isPast = !hasSynced && hasEnded(backend);
    for (const status of statusHistory(backend)) {
      const rank = rankOf(status.state);
      if (rank <= (told.get(uid) ?? -1)) continue;
      told.set(uid, rank);
      if (!isPast) tell({ backend, status });
    }
  };
}
