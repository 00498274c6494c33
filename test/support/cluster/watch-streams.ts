import type { IncomingMessage, ServerResponse } from "node:http";

interface OpenWatch {
  readonly path: string;
  readonly from: IncomingMessage;
  readonly to: ServerResponse;
}

/** The watches that a proxy passes, an event a line, and what is done to them. */
export class WatchStreams {
  /** How often each event is delivered. */
  copies = 1;
  /** How long each event is kept back. */
  delayMs = 0;
  readonly #open = new Set<OpenWatch>();
  #expired = 0;
  #goingOn: PromiseWithResolvers<void> | undefined;

  /** How many are open. */
  get count(): number {
    return this.#open.size;
  }

  /** Ends those that are open, as a network does: without a word. */
  cut(): void {
    for (const { to } of this.#open) to.destroy();
  }

  /** Tells those that are open, by an event, that their resource version has expired, and the next `times` ones that begin. */
  expire({ times = 0 }: { times?: number } = {}): void {
    this.#expired = times;
    const object = {
      kind: "Status",
      apiVersion: "v1",
      status: "Failure",
      reason: "Expired",
      code: 410,
      message: "too old",
    };
    for (const { to } of this.#open) {
      if (!to.writableEnded) to.end(`${JSON.stringify({ type: "ERROR", object })}\n`);
    }
  }

  /** Whether the watch that begins is to be told that its resource version has expired. */
  takeExpired(): boolean {
    if (this.#expired === 0) return false;
    this.#expired -= 1;
    return true;
  }

  hang(): void {
    this.#goingOn ??= Promise.withResolvers();
  }

  goOn(): void {
    this.#goingOn?.resolve();
    this.#goingOn = undefined;
  }

  /** Passes events on until either side ends. */
  async pass(watch: OpenWatch): Promise<void> {
    const { from, to } = watch;
    this.#open.add(watch);
    to.on("close", () => from.destroy());
    let delivered = Promise.resolve();
    try {
      for await (const line of linesOf(from)) {
        const dueMs = performance.now() + this.delayMs;
        delivered = delivered.then(() => this.#deliver(line, { to, dueMs }));
      }
      await delivered;
      to.end();
    } catch {
      to.destroy(); // the one side was cut: so is the other
    } finally {
      this.#open.delete(watch);
    }
  }

  async #deliver(line: string, { to, dueMs }: { to: ServerResponse; dueMs: number }): Promise<void> {
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    await this.#goingOn?.promise;
    if (!to.writableEnded) to.write(`${line}\n`.repeat(this.copies)); // a response is `writable` for ever
  }
}

async function* linesOf(from: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  from.setEncoding("utf8");
  for await (const text of from) {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
