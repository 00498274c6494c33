/**
 * When something was last active, as far as one can tell from outside: not before `surelyMs`, not after `atMostMs`, in
 * milliseconds since 1970. What ends with a program's last byte was active until the program sent that byte at least (it
 * writes the time into it), and until its client had it at most; what a client breaks off, from its doing so until it is
 * done.
 */
export interface ActiveUntil {
  readonly kind: string;
  readonly surelyMs: number;
  readonly atMostMs: number;
}

/** The client's own book of one backend: what is active, and what was last. */
export class Book {
  #open = 0;
  #last: ActiveUntil | undefined;
  readonly kinds = new Map<string, number>();

  /** Keeps book of one activity. One that was refused was none; one that fails is told to the caller. */
  async keep(kind: string, act: () => Promise<Omit<ActiveUntil, "kind"> | "refused">): Promise<boolean> {
    this.#open += 1;
    try {
      const until = await act();
      if (until === "refused") return false;
      this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
      const { surelyMs = 0, atMostMs = 0, kind: lastKind = kind } = this.#last ?? {};
      this.#last = {
        kind: until.surelyMs >= surelyMs ? kind : lastKind,
        surelyMs: Math.max(surelyMs, until.surelyMs),
        atMostMs: Math.max(atMostMs, until.atMostMs),
      };
      return true;
    } finally {
      this.#open -= 1;
    }
  }

  get last(): ActiveUntil {
    if (this.#last === undefined || this.#open > 0) throw new Error("nothing was active yet, or something is still");
    return this.#last;
  }
}
