import { isSpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import type { BackendChange, BackendStore } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";

export interface DirectoryOptions {
  readonly clock: Clock;
  /** How many requests may wait at once, for all backends together. */
  readonly waitingMax: number;
  /** Told of each backend that is another than it was. */
  readonly onBackend?: (backend: Backend) => void;
}

export type WaitOutcome = "changed" | "timeout" | "full" | "gone";

/** The backends as last heard, and where requests wait for one of them to change. */
export class Directory {
  readonly #store: BackendStore;
  readonly #options: DirectoryOptions;
  readonly #backends = new Map<string, Backend>();
  readonly #waiting = new Map<string, Set<(outcome: WaitOutcome) => void>>();
  readonly #unwatch: () => void;
  #waitingCount = 0;

  constructor(store: BackendStore, options: DirectoryOptions) {
    this.#store = store;
    this.#options = options;
    this.#unwatch = store.watch((change) => this.#onChange(change));
  }

  /** As last heard. */
  peek(name: string): Backend | undefined {
    return this.#backends.get(name);
  }

  /**
   * As last heard, or, if it was never heard of or `fresh` is asked for, as the store has it; where that cannot be asked, as
   * last heard again.
   */
  async find(name: string, { fresh }: { fresh: boolean }): Promise<Backend | undefined> {
    const heard = this.#backends.get(name);
    if (heard !== undefined && !fresh) return heard;
    try {
      return await this.#store.get(name, { fresh: true });
    } catch (error) {
      if (heard === undefined || !isSpawnerError(error, "unavailable")) throw error;
      return heard;
    }
  }

  /**
   * Waits until the backend is another than the one `seen`, at most `waitMs`, or until the signal says that nobody waits any
   * more. It may be already: what was seen was asked for, and the answer took a moment.
   */
  waitForChange(
    name: string,
    { seen, waitMs, signal }: { seen: Backend; waitMs: number; signal: AbortSignal },
  ): Promise<WaitOutcome> {
    if (signal.aborted) return Promise.resolve("gone");
    if ((this.#backends.get(name) ?? seen) !== seen) return Promise.resolve("changed");
    if (this.#waitingCount >= this.#options.waitingMax) return Promise.resolve("full");
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(name) ?? new Set();
      const settle = (outcome: WaitOutcome) => {
        if (!waiting.delete(settle)) return;
        this.#waitingCount -= 1;
        if (waiting.size === 0) this.#waiting.delete(name);
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
        resolve(outcome);
      };
      const onAbort = () => settle("gone");
      const timer = this.#options.clock.after(waitMs, () => settle("timeout"));
      signal.addEventListener("abort", onAbort);
      waiting.add(settle);
      this.#waiting.set(name, waiting);
      this.#waitingCount += 1;
    });
  }

  close(): void {
    this.#unwatch();
    for (const waiting of [...this.#waiting.values()]) for (const settle of [...waiting]) settle("gone");
  }

  #onChange(change: BackendChange): void {
    if (change.kind === "synced") return;
    const { name } = change.backend.metadata;
    if (change.kind === "deleted") this.#backends.delete(name);
    else {
      this.#backends.set(name, change.backend);
      this.#options.onBackend?.(change.backend);
    }
    for (const settle of [...(this.#waiting.get(name) ?? [])]) settle("changed");
  }
}
