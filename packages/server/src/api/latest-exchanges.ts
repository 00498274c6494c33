import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

export interface HttpExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The last message of each connection, for what has to know whether one is in the middle of something. */
export class LatestExchanges {
  readonly #latest = new WeakMap<Duplex, HttpExchange>();

  attach(server: Server): void {
    server.on("request", (request, response) => void this.#latest.set(request.socket, { request, response }));
  }

  of(socket: Duplex): HttpExchange | undefined {
    return this.#latest.get(socket);
  }
}
