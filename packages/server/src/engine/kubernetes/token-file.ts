import { readFileSync } from "node:fs";
import type { Clock } from "../../lib/clock.ts";

/** The kubelet replaces a service account's token well before it expires, without a word. */
const staleAfterMs = 10_000;

/** A bearer token in a file that others replace. */
export class TokenFile {
  readonly #path: string;
  readonly #clock: Clock;
  #read: { readonly token: string; readonly atMs: number } | undefined;

  constructor(path: string, { clock }: { clock: Clock }) {
    this.#path = path;
    this.#clock = clock;
  }

  /** As read a moment ago, or lately. Throws where it was never readable; later the last one read is used. */
  current(): string {
    const nowMs = this.#clock.monotonicMs();
    if (this.#read !== undefined && nowMs - this.#read.atMs < staleAfterMs) return this.#read.token;
    try {
      this.#read = { token: readFileSync(this.#path, "utf8").trim(), atMs: nowMs };
    } catch (error) {
      if (this.#read === undefined) throw error;
      this.#read = { ...this.#read, atMs: nowMs };
    }
    return this.#read.token;
  }

  /** The server did not take it: the next one is read from the file. */
  refused(): void {
    if (this.#read !== undefined) this.#read = { ...this.#read, atMs: Number.NEGATIVE_INFINITY };
  }
}
