import type { Clock } from "../lib/clock.ts";

/**
 * The one thing that a connection waits for with a limit. Whoever owns many of them calls `tick` now and then, so that
 * a connection costs no timer; what is due is done at the next tick.
 */
export class Deadline {
  readonly #clock: Clock;
  /** What it is that is waited for; undefined: nothing. */
  #what: string | undefined;
  #atMs = 0;
  #act = nothing;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `act` in `delayMs`, in place of what was waited for before. */
  set(what: string, delayMs: number, act: () => void): void {
    this.setAt(what, this.#clock.monotonicMs() + delayMs, act);
  }

  /** The same, at a time of the clock. */
  setAt(what: string, atMs: number, act: () => void): void {
    this.#what = what;
    this.#atMs = atMs;
    this.#act = act;
  }

  /** The same, unless `what` is waited for already. */
  setOnce(what: string, delayMs: number, act: () => void): void {
    if (this.#what !== what) this.set(what, delayMs, act);
  }

  clear(): void {
    this.#what = undefined;
    this.#act = nothing;
  }

  tick(nowMs: number): void {
    if (this.#what === undefined || nowMs < this.#atMs) return;
    const act = this.#act;
    this.clear();
    act();
  }
}

function nothing(): void {}
