import type { Clock, Timer } from "../../lib/clock.ts";
import type { OutputFiles } from "./output-files.ts";

/** How often to look at the files; sooner after one had to be emptied, since its program may be writing at full speed. */
const lookEveryMs = 1_000;
const lookAgainMs = 100;

/** Holds the output of running programs to its limit: they write on their own, so that it has to be looked at. */
export class OutputLimit {
  readonly #deps: { readonly clock: Clock; readonly output: OutputFiles };
  readonly #uids = new Set<string>();
  #timer: Timer | undefined;

  constructor(deps: { clock: Clock; output: OutputFiles }) {
    this.#deps = deps;
  }

  add(uid: string): void {
    this.#uids.add(uid);
    if (this.#timer === undefined) this.#schedule(lookEveryMs);
  }

  /** The program is over: a last look. */
  remove(uid: string): void {
    if (!this.#uids.delete(uid)) return;
    this.#limit(uid);
    if (this.#uids.size === 0) this.close();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #schedule(delayMs: number): void {
    this.#timer = this.#deps.clock.after(delayMs, () => {
      const limited = [...this.#uids].filter((uid) => this.#limit(uid));
      this.#schedule(limited.length > 0 ? lookAgainMs : lookEveryMs);
    });
  }

  #limit(uid: string): boolean {
    try {
      return this.#deps.output.limit(uid);
    } catch {
      return false; // the folder is out of reach: there is another look
    }
  }
}
