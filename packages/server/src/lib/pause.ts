import type { Clock } from "./clock.ts";

/** Resolves after `delayMs`, or as soon as the signal aborts. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const settle = () => {
      timer.cancel();
      signal?.removeEventListener("abort", settle);
      resolve();
    };
    const timer = clock.after(delayMs, settle);
    signal?.addEventListener("abort", settle);
  });
}
