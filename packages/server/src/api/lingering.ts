import type { Server } from "node:http";
import type { LatestExchanges } from "./latest-exchanges.ts";

/**
 * Where a connection is to be closed behind an answer that came before all of the request, reads the rest away first:
 * closing a socket with unread bytes resets it, and takes the answer with it (RFC 9112 9.6). For as long as a request may
 * take: Node's requestTimeout holds for what is read away too.
 */
export function lingerOnClose(server: Server, latest: LatestExchanges): void {
  server.on("connection", (socket) => {
    const close = socket.destroySoon.bind(socket);
    // What Node calls behind the last answer on a connection.
    socket.destroySoon = () => {
      const request = latest.of(socket)?.request;
      if (request === undefined || request.complete || request.destroyed) return close();
      request.once("close", close);
      request.resume();
      socket.end();
    };
  });
}
