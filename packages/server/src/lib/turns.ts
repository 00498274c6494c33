/** Work on one key is done in turns, in the order in which it was asked for; work on different keys at once. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Does the work when everything before it on this key is done, however that ended. */
  take<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(key);
    const mine = before === undefined ? work() : before.then(work, work);
    this.#last.set(key, mine);
    const forget = () => {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    };
    mine.then(forget, forget);
    return mine;
  }
}
