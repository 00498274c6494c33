import { readFileSync } from "node:fs";
import type { Clock, Timer } from "../../lib/clock.ts";

/** How often to count. A kill is laid to a program that ended up to twice as long after it. */
const countEveryMs = 1_000;

/**
 * Knows whether the kernel has just killed something for lack of memory, of the machine or of a container: what tells such an
 * end from any other SIGKILL. Always no where that is not counted (not Linux).
 */
export class OutOfMemoryKills {
  readonly #clock: Clock;
  readonly #path: string;
  /** The last two counts: the kernel may have killed some time before we hear of an end. */
  #earlier = 0;
  #latest = 0;
  /** What runs, by UID: nothing is counted while nothing does. */
  readonly #uids = new Set<string>();
  #timer: Timer | undefined;

  /** `path` is /proc/vmstat, or what a test has in its place. */
  constructor(clock: Clock, path = "/proc/vmstat") {
    this.#clock = clock;
    this.#path = path;
  }

  /** A program is to run, or was found running. */
  add(uid: string): void {
    if (this.#uids.size === 0) {
      this.#latest = this.#count();
      this.#earlier = this.#latest;
      this.#schedule();
    }
    this.#uids.add(uid);
  }

  /** The program is over. */
  remove(uid: string): void {
    if (this.#uids.delete(uid) && this.#uids.size === 0) this.close();
  }

  /** Whether there was a kill in the last one or two intervals. */
  haveJustRisen(): boolean {
    return this.#count() > this.#earlier;
  }

  close(): void {
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#clock.after(countEveryMs, () => {
      this.#earlier = this.#latest;
      this.#latest = this.#count();
      this.#schedule();
    });
  }

  /** `oom_kill` of /proc/vmstat (Linux 4.13): every kill since the boot, be it for a limit of a control group. */
  #count(): number {
    try {
      return Number(/^oom_kill (\d+)$/m.exec(readFileSync(this.#path, "latin1"))?.[1] ?? 0);
    } catch {
      return 0; // not Linux
    }
  }
}
