import type { RelayHostState, RelayHostWatcher } from "../core/relay-host.ts";
import type { Clock, Timer } from "../lib/clock.ts";

/** No more than ten a second, however busy the relay is. */
const spacingMs = 100;

/** Tells watchers the present state, then each change; changes that come faster than the spacing are told as one. */
export class StateFeed {
  readonly #clock: Clock;
  readonly #read: () => RelayHostState;
  readonly #watchers = new Set<RelayHostWatcher>();
  #lastToldMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  constructor({ clock, read }: { clock: Clock; read: () => RelayHostState }) {
    this.#clock = clock;
    this.#read = read;
  }

  watch(watcher: RelayHostWatcher): () => void {
    this.#watchers.add(watcher);
    queueMicrotask(() => this.#watchers.has(watcher) && watcher.onState(this.#read()));
    return () => void this.#watchers.delete(watcher);
  }

  changed(): void {
    if (this.#timer !== undefined || this.#watchers.size === 0) return;
    const waitMs = this.#lastToldMs + spacingMs - this.#clock.monotonicMs();
    if (waitMs <= 0) this.#tell();
    else this.#timer = this.#clock.after(waitMs, () => this.#tell());
  }

  /** Ends every watch. */
  close(cause: Error): void {
    this.#timer?.cancel();
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    for (const watcher of watchers) watcher.onLost(cause);
  }

  #tell(): void {
    this.#timer = undefined;
    this.#lastToldMs = this.#clock.monotonicMs();
    const state = this.#read();
    for (const watcher of this.#watchers) watcher.onState(state);
  }
}
