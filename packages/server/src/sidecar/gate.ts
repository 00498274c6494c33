import type { Clock } from "../lib/clock.ts";

export type GateState = "closed" | "open" | "ended";
export type GateOutcome = Exclude<GateState, "closed"> | "full" | "timeout";

export interface GateOptions {
  clock: Clock;
  /** How many may wait; further ones are told `full` at once. */
  waitingMax: number;
  /** How long one may wait before it is told `timeout`. */
  waitMsMax: number;
}

/** Where requests wait while they can be neither served nor refused. Closed at first. */
export class Gate {
  readonly #options: GateOptions;
  #state: GateState = "closed";
  readonly #waiting = new Set<(outcome: GateOutcome) => void>();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** How many wait. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  get state(): GateState {
    return this.#state;
  }

  /** Opens for all that wait and come, ends for them, or lets them wait. */
  set(state: GateState): void {
    this.#state = state;
    if (state === "closed") return;
    for (const settle of [...this.#waiting]) settle(state);
  }

  /** Resolves when the gate opens or ends. A caller whose signal aborts waits no more; what it is told then is of no use. */
  wait(signal: AbortSignal): Promise<GateOutcome> {
    const { clock, waitingMax, waitMsMax } = this.#options;
    if (this.#state !== "closed") return Promise.resolve(this.#state);
    if (this.#waiting.size >= waitingMax) return Promise.resolve("full");
    return new Promise((resolve) => {
      const settle = (outcome: GateOutcome) => {
        this.#waiting.delete(settle);
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
        resolve(outcome);
      };
      const onAbort = () => settle("timeout");
      const timer = clock.after(waitMsMax, () => settle("timeout"));
      this.#waiting.add(settle);
      signal.addEventListener("abort", onAbort);
    });
  }
}
