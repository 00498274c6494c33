import type { StatusMessage } from "@spawner/client";
import type { Backend } from "../core/resource.ts";
import { hasEnded, statusHistory } from "../core/status.ts";
import type { BackendChange } from "../engine/index.ts";

/** A state that a session has reached. */
export interface SessionEvent {
  readonly backend: Backend;
  readonly status: StatusMessage;
}

/** Makes events of a watch's changes, each once. Sessions that had ended before the watch began are passed over. */
export function makeSessionEvents(tell: (event: SessionEvent) => void): (change: BackendChange) => void {
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
    const history = statusHistory(backend);
    if (!hasSynced && hasEnded(backend)) told.set(uid, history.length);
    for (const status of history.slice(told.get(uid) ?? 0)) tell({ backend, status });
    told.set(uid, history.length);
  };
}
