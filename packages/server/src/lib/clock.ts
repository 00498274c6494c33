// The global is an accessor of Node, which costs each reading of the clock more than the reading.
import { performance } from "node:perf_hooks";

/** A running timer; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/** The two kinds of time a role needs, and timers. Passed in, so that a test owns time. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. For durations. */
  monotonicMs(): number;
  /** Calendar time. For what people read and what is stored. */
  now(): Date;
  /** Calls `callback` once, `delayMs` from now. The timer does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer;
}

/** setTimeout fires at once for delays above this (2^31 - 1 ms, about 24.8 days). */
const longestTimeoutMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  now: () => new Date(),
  after(delayMs, callback) {
    let handle: NodeJS.Timeout;
    const arm = (remainingMs: number) => {
      const stepMs = Math.min(Math.max(remainingMs, 0), longestTimeoutMs);
      handle = setTimeout(() => (remainingMs > stepMs ? arm(remainingMs - stepMs) : callback()), stepMs);
      handle.unref();
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
