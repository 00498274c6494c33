import { RelayProblem } from "./problem.ts";

/** How many connections each upstream has, by its key. */
export class UpstreamCounts {
  readonly #open = new Map<string, number>();

  /** Counts one more; the returned function takes it back, once. Throws a RelayProblem where there are `max` already. */
  take(key: string, max: number): () => void {
    const count = this.#open.get(key) ?? 0;
    if (count >= max) {
      throw new RelayProblem("too_many_connections", `${max} connections to this upstream are open already`);
    }
    this.#open.set(key, count + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      const left = (this.#open.get(key) ?? 1) - 1;
      if (left === 0) this.#open.delete(key);
      else this.#open.set(key, left);
    };
  }
}
