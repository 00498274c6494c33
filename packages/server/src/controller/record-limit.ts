import type { Backend } from "../core/resource.ts";
import { endedAt } from "../core/status.ts";

/** Knows which records of ended backends are too many: the oldest beyond a limit. */
export class RecordLimit {
  readonly #recordsMax: number;
  /** Key -> when it ended, in no order. */
  readonly #ended = new Map<string, number>();
  readonly #surplus = new Set<string>();

  constructor(recordsMax: number) {
    this.#recordsMax = recordsMax;
  }

  /** Takes note of a backend as it is now. Returns the keys that have become surplus by it. */
  note(key: string, backend: Backend): string[] {
    const at = endedAt(backend);
    if (at === undefined || this.#ended.has(key) || this.#surplus.has(key)) return [];
    this.#ended.set(key, at.getTime());
    const excess = this.#ended.size - this.#recordsMax;
    if (excess <= 0) return [];
    const oldest = [...this.#ended].sort(([, a], [, b]) => a - b).slice(0, excess);
    return oldest.map(([surplusKey]) => {
      this.#ended.delete(surplusKey);
      this.#surplus.add(surplusKey);
      return surplusKey;
    });
  }

  isSurplus(key: string): boolean {
    return this.#surplus.has(key);
  }

  /** The record is gone. */
  forget(key: string): void {
    this.#ended.delete(key);
    this.#surplus.delete(key);
  }
}
