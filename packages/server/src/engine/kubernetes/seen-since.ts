/** Since when something is so of a Pod, as seen from here: the Pods do not say. Whoever takes over begins to count anew. */
export class SeenSince {
  /** By the Pod's UID. */
  readonly #since = new Map<string, { readonly what: string; readonly at: Date }>();

  /** Since when this is what is seen of it; undefined where nothing is. */
  since(uid: string, seen: { what: string; now: Date }): Date;
  since(uid: string, seen: { what: string | undefined; now: Date }): Date | undefined;
  since(uid: string, { what, now }: { what: string | undefined; now: Date }): Date | undefined {
    if (what === undefined) {
      this.#since.delete(uid);
      return undefined;
    }
    const known = this.#since.get(uid);
    if (known?.what === what) return known.at;
    this.#since.set(uid, { what, at: now });
    return now;
  }

  forget(uid: string): void {
    this.#since.delete(uid);
  }
}
