import { SpawnerError } from "../core/errors.ts";

/** How many answers are streams that may last; each holds a connection, a timer and a place among those who are told. */
export class OpenStreams {
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts one more until it is given back. Throws too_many_connections. */
  take(): () => void {
    if (this.#count >= this.#max) {
      throw new SpawnerError("too_many_connections", `${this.#max} streams are open already, and no more are served.`);
    }
    this.#count += 1;
    let isOpen = true;
    return () => {
      if (isOpen) this.#count -= 1;
      isOpen = false;
    };
  }
}
