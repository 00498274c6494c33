/**
 * Reads that a crowd shares. Who asks while one is under way gets the one behind it, which begins after it was asked for: nobody
 * is told what was so before.
 */
export class SharedReads<Value> {
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #next = new Map<string, Promise<Value>>();

  read(key: string, read: () => Promise<Value>): Promise<Value> {
    const next = this.#next.get(key);
    if (next !== undefined) return next;
    const running = this.#running.get(key);
    if (running === undefined) return this.#start(key, read);
    const start = () => {
      this.#next.delete(key);
      return this.#start(key, read);
    };
    const behind = running.then(start, start);
    this.#next.set(key, behind);
    return behind;
  }

  #start(key: string, read: () => Promise<Value>): Promise<Value> {
    const reading = read();
    this.#running.set(key, reading);
    const forget = () => {
      if (this.#running.get(key) === reading) this.#running.delete(key);
    };
    reading.then(forget, forget);
    return reading;
  }
}
