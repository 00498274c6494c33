import type { Clock } from "../lib/clock.ts";

/**
 * The one thing that a connection waits for with a limit. Whoever owns many of them calls `tick` now and then, so that
 * a connection costs no timer; what is due is done at the next tick.
 */
export class Deadline {
  readonly #clock: Clock;
  #due: { readonly what: string; readonly atMs: number; readonly act: () => void } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `act` in `delayMs`, in place of what was waited for before. */
  set(what: string, delayMs: number, act: () => void): void {
    this.#due = { what, atMs: this.#clock.monotonicMs() + delayMs, act };
  }

  /** The same, unless `what` is waited for already. */
  setOnce(what: string, delayMs: number, act: () => void): void {
    if (this.#due?.what !== what) this.set(what, delayMs, act);
  }

  clear(): void {
    this.#due = undefined;
  }

  tick(nowMs: number): void {
    if (this.#due === undefined || nowMs < this.#due.atMs) return;
    const { act } = this.#due;
    this.#due = undefined;
    act();
  }
}
