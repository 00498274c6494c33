/** Waits that double from `firstMs` to `mostMs`. */
export class Backoff {
  readonly #firstMs: number;
  readonly #mostMs: number;
  #failures = 0;

  constructor({ firstMs, mostMs }: { firstMs: number; mostMs: number }) {
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
  }

  /** How often the next wait was asked for since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** The wait before the next attempt. */
  next(): number {
    return Math.min(this.#firstMs * 2 ** this.#failures++, this.#mostMs);
  }

  /** To be called on success: the next failure waits the first wait again. */
  reset(): void {
    this.#failures = 0;
  }
}
