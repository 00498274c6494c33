import { Backoff } from "./backoff.ts";
import type { Clock, Timer } from "./clock.ts";

export interface KeyedQueueOptions {
  clock: Clock;
  /** Works on one key. Resolves to when the key is to be worked on again, or undefined: not until it is added. */
  work(key: string): Promise<number | undefined>;
  /** Told of every failure; the key is tried again with backoff. `isFirst`: the attempt before it was none. */
  onError(key: string, error: unknown, failure: { readonly isFirst: boolean }): void;
  /** How many keys are worked on at once. */
  concurrency: number;
  retryFirstMs: number;
  retryMostMs: number;
}

/**
 * A queue of keys to be looked at: adding a key that waits changes nothing, one key is never worked on twice at once, and a
 * key added while it is being worked on is worked on again.
 */
export class KeyedQueue {
  readonly #options: KeyedQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #working = new Set<string>();
  readonly #timers = new Map<string, Timer>();
  readonly #backoffs = new Map<string, Backoff>();
  #closed = false;
  #idle: (() => void) | undefined;

  constructor(options: KeyedQueueOptions) {
    this.#options = options;
  }

  /** How many keys are due and wait to be worked on. */
  get depth(): number {
    return this.#waiting.size;
  }

  add(key: string): void {
    if (this.#closed) return;
    this.#cancelTimer(key);
    this.#waiting.add(key);
    this.#start();
  }

  /** Adds the key when the time has passed, unless it was added before. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return;
    this.#cancelTimer(key);
    this.#timers.set(
      key,
      this.#options.clock.after(delayMs, () => this.add(key)),
    );
  }

  /** Takes no more keys and waits for those being worked on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.clear();
    for (const key of [...this.#timers.keys()]) this.#cancelTimer(key);
    if (this.#working.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #start(): void {
    for (const key of this.#waiting) {
      if (this.#working.size >= this.#options.concurrency) return;
      if (this.#working.has(key)) continue;
      this.#waiting.delete(key);
      this.#working.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    const againMs = await this.#attempt(key);
    this.#working.delete(key);
    if (againMs !== undefined && !this.#waiting.has(key)) this.addAfter(key, againMs);
    this.#start();
    if (this.#working.size === 0) this.#idle?.();
  }

  /** Works on the key once; a failure is reported, and turned into a time for the next attempt. */
  async #attempt(key: string): Promise<number | undefined> {
    try {
      const againMs = await this.#options.work(key);
      this.#backoffs.delete(key);
      return againMs;
    } catch (error) {
      this.#options.onError(key, error, { isFirst: !this.#backoffs.has(key) });
      const { retryFirstMs, retryMostMs } = this.#options;
      const backoff = this.#backoffs.get(key) ?? new Backoff({ firstMs: retryFirstMs, mostMs: retryMostMs });
      this.#backoffs.set(key, backoff);
      return backoff.next();
    }
  }

  #cancelTimer(key: string): void {
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
  }
}
