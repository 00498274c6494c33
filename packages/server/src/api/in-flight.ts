import type { FastifyInstance, FastifyReply } from "fastify";
import { SpawnerError } from "../core/errors.ts";

/** The requests that are not answered yet, to their last byte. */
export class InFlight {
  #count = 0;
  #isEnding = false;
  readonly #waiting = new Set<AbortController>();

  get count(): number {
    return this.#count;
  }

  /** To be called before `app` has routes. */
  attach(app: FastifyInstance): void {
    app.addHook("onRequest", (_, reply, done) => {
      this.#count += 1;
      reply.raw.once("close", () => (this.#count -= 1));
      done();
    });
    app.addHook("onSend", (_, reply, __, done) => {
      if (this.#isEnding) reply.header("connection", "close");
      done();
    });
  }

  /**
   * Of a request that may have to wait: aborted with the error to answer with when this server is to end, so that its client goes on
   * with another one; and when the client has gone.
   */
  signalOf({ raw }: FastifyReply): AbortSignal {
    const controller = new AbortController();
    this.#waiting.add(controller);
    raw.once("close", () => {
      this.#waiting.delete(controller);
      controller.abort();
    });
    if (this.#isEnding) controller.abort(aboutToEnd());
    return controller.signal;
  }

  /** From now on each answer is the last one of its connection, and nobody is waited for. */
  end(): void {
    this.#isEnding = true;
    for (const controller of this.#waiting) controller.abort(aboutToEnd());
  }
}

function aboutToEnd(): SpawnerError {
  return new SpawnerError("unavailable", "This server is about to end: ask again.");
}
