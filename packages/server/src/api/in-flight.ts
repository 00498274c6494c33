import type { FastifyInstance } from "fastify";

/** The requests that are not answered yet, to their last byte. */
export class InFlight {
  #count = 0;
  #isEnding = false;

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

  /** From now on each answer is the last one of its connection. */
  end(): void {
    this.#isEnding = true;
  }
}
