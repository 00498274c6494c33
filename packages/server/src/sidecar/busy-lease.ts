import type { Clock, Timer } from "../lib/clock.ts";

/** What a program says of itself: that it is at work for some time yet, whoever is there. */
export class BusyLease {
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  #timer: Timer | undefined;

  /** `onEnd` is told of every end of a lease that ran. */
  constructor({ clock, onEnd }: { clock: Clock; onEnd: () => void }) {
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  get isRunning(): boolean {
    return this.#timer !== undefined;
  }

  /** Runs for so long from now on, in place of what was said before; 0: it is over. */
  set(ttlMs: number): void {
    const wasRunning = this.isRunning;
    this.#timer?.cancel();
    this.#timer = ttlMs > 0 ? this.#clock.after(ttlMs, () => this.#end()) : undefined;
    if (wasRunning && !this.isRunning) this.#onEnd();
  }

  /** Ends without being told of: nobody asks any more. */
  drop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #end(): void {
    this.#timer = undefined;
    this.#onEnd();
  }
}
