import type { Backend } from "../core/resource.ts";
import type { BackendChange, BackendStore } from "../engine/index.ts";

export interface StatusListener {
  onBackend(backend: Backend): void;
  /** The record is gone; this was its last version. */
  onDeleted(backend: Backend): void;
}

/** One watch of the store, shared by all who follow a backend. */
export class StatusHub {
  readonly #listeners = new Map<string, Set<StatusListener>>();
  readonly #unwatch: () => void;
  #hasSynced = false;

  constructor(store: BackendStore) {
    this.#unwatch = store.watch((change) => this.#onChange(change));
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Calls back for every later change of the backend with this name, whatever its generation. */
  follow(name: string, listener: StatusListener): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(name, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(name);
    };
  }

  close(): void {
    this.#unwatch();
  }

  #onChange(change: BackendChange): void {
    if (change.kind === "synced") {
      this.#hasSynced = true;
      return;
    }
    for (const listener of [...(this.#listeners.get(change.backend.metadata.name) ?? [])]) {
      if (change.kind === "changed") listener.onBackend(change.backend);
      else listener.onDeleted(change.backend);
    }
  }
}
