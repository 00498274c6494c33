import type { Clock } from "../lib/clock.ts";

/** One thing in flight. */
export interface ActivityLease {
  /** It is over, since `atMs` (default: now). Idempotent. */
  end(atMs?: number): void;
}

/** Counts what is in flight, and remembers when there last was anything. Times are the clock's monotonic ones. */
export class Activity {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #live = 0;
  #lastActiveMs: number;
  #everActive = false;
  /** Counts what set `lastActiveMs`. */
  #marks = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastActiveMs = clock.monotonicMs();
  }

  /** Requests in flight and upgraded connections. */
  get live(): number {
    return this.#live;
  }

  /** The last moment of activity; now, while there is any. */
  get lastActiveMs(): number {
    return this.#live > 0 ? this.#clock.monotonicMs() : this.#lastActiveMs;
  }

  /** Whether anything was ever in flight. */
  get everActive(): boolean {
    return this.#everActive;
  }

  begin(): ActivityLease {
    this.#live += 1;
    this.#everActive = true;
    this.#changed();
    return new Lease(this);
  }

  /** Of a lease: it is over, since `atMs`. */
  finished(atMs = this.#clock.monotonicMs()): void {
    this.#live -= 1;
    this.#lastActiveMs = Math.max(this.#lastActiveMs, atMs);
    this.#marks += 1;
    this.#changed();
  }

  /** There was activity just now that lasts no longer. The returned function takes it back, unless there was more since. */
  touch(): () => void {
    const before = this.#lastActiveMs;
    this.#lastActiveMs = this.#clock.monotonicMs();
    this.#marks += 1;
    const mark = this.#marks;
    this.#changed();
    return () => {
      if (this.#marks !== mark) return;
      this.#lastActiveMs = before;
      this.#changed();
    };
  }

  /** Calls back after every change, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

class Lease implements ActivityLease {
  readonly #activity: Activity;
  #isOver = false;

  constructor(activity: Activity) {
    this.#activity = activity;
  }

  end(atMs?: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#activity.finished(atMs);
  }
}
