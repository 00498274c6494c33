import type { PodProblem } from "./pod-problem.ts";

/** Since when starts have been held up, as seen from here: the Pods do not say. Whoever takes over begins to count anew. */
export class ProblemTimes {
  /** By the Pod's UID. */
  readonly #since = new Map<string, { readonly reason: string; readonly at: Date }>();

  /** Since when this is its problem; undefined where it has none. */
  since(uid: string, { problem, now }: { problem: PodProblem | undefined; now: Date }): Date | undefined {
    if (problem === undefined) {
      this.#since.delete(uid);
      return undefined;
    }
    const known = this.#since.get(uid);
    if (known?.reason === problem.reason) return known.at;
    this.#since.set(uid, { reason: problem.reason, at: now });
    return now;
  }

  forget(uid: string): void {
    this.#since.delete(uid);
  }
}
