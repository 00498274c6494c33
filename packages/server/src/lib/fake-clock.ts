import type { Clock, Timer } from "./clock.ts";

/** A clock for tests: time moves only by `advance`, and timers fire in order of their time. */
export class FakeClock implements Clock {
  #elapsedMs = 0;
  readonly #startMs: number;
  readonly #timers = new Set<{ dueMs: number; callback: () => void }>();

  constructor(start = new Date("2026-01-01T00:00:00Z")) {
    this.#startMs = start.getTime();
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  now(): Date {
    return new Date(this.#startMs + this.#elapsedMs);
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.#elapsedMs + Math.max(delayMs, 0), callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Moves time on by `ms`, firing every timer that falls due on the way at its own time. */
  advance(ms: number): void {
    const untilMs = this.#elapsedMs + ms;
    for (let next = this.#nextDue(untilMs); next !== undefined; next = this.#nextDue(untilMs)) {
      this.#timers.delete(next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      next.callback();
    }
    this.#elapsedMs = untilMs;
  }

  #nextDue(untilMs: number) {
    return [...this.#timers].filter((timer) => timer.dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0];
  }
}
