import { SpawnerError } from "../core/errors.ts";

/** What one stream has among the others. */
export interface StreamPlace {
  /**
   * How the stream is ended before its time in a way that has its client go on with another server. Without it only
   * cutting the stream off tells that this is not its end.
   */
  finishBy(finish: () => void): void;
  giveBack(): void;
}

interface Stream {
  finish: (() => void) | undefined;
}

/** How many answers are streams that may last; each holds a connection, a timer and a place among those who are told. */
export class OpenStreams {
  readonly #max: number;
  readonly #open = new Set<Stream>();
  #isFinishing = false;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#open.size;
  }

  /** How many go on until they are cut off. */
  get endlessCount(): number {
    return [...this.#open].filter(({ finish }) => finish === undefined).length;
  }

  /** Counts one more until it is given back. Throws too_many_connections. */
  take(): StreamPlace {
    if (this.#open.size >= this.#max) {
      throw new SpawnerError("too_many_connections", `${this.#max} streams are open already, and no more are served.`);
    }
    const stream: Stream = { finish: undefined };
    this.#open.add(stream);
    return {
      finishBy: (finish) => {
        stream.finish = finish;
        if (this.#isFinishing) finish();
      },
      giveBack: () => void this.#open.delete(stream),
    };
  }

  /** Ends all that say how, also those that are opened later. */
  finish(): void {
    this.#isFinishing = true;
    for (const { finish } of [...this.#open]) finish?.();
  }
}
