import type { Clock } from "../../lib/clock.ts";

/** So many failures in a row, without one success, say that nobody is there. */
const failuresMax = 3;
/** How long everybody is refused after a failure, until one may try. */
const probeAfterMs = 500;

/**
 * Spares everybody the wait for somebody who is away: once several attempts in a row have failed, attempts are refused
 * at once, but for one at a time that tries whether it has come back.
 */
export class Breaker {
  readonly #clock: Clock;
  #failures = 0;
  #failedAtMs = 0;
  #probing = false;

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  /** An attempt that may be made, to be ended in one of three ways; undefined where it need not be tried. */
  admit(): Attempt | undefined {
    if (this.#failures < failuresMax) return this.#attempt(false);
    if (this.#probing || this.#clock.monotonicMs() - this.#failedAtMs < probeAfterMs) return undefined;
    this.#probing = true;
    return this.#attempt(true);
  }

  #attempt(isProbe: boolean): Attempt {
    let ended = false;
    const end = (apply: () => void) => {
      if (ended) return;
      ended = true;
      if (isProbe) this.#probing = false;
      apply();
    };
    return {
      succeeded: () =>
        end(() => {
          this.#failures = 0;
        }),
      failed: () =>
        end(() => {
          this.#failures += 1;
          this.#failedAtMs = this.#clock.monotonicMs();
        }),
      abandoned: () => end(() => {}),
    };
  }
}

/** The first of these calls counts. */
export interface Attempt {
  succeeded(): void;
  failed(): void;
  /** Given up by whoever asked: it says nothing of the other side. */
  abandoned(): void;
}
