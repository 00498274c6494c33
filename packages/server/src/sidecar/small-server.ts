import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { deadlines } from "../core/deadlines.ts";
import { relayHostProtocolVersion } from "../core/relay-host.ts";
import { listenAddress } from "../lib/any-address.ts";
import { sendError } from "./http-messages.ts";

export interface SmallServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface Address {
  host: string;
  /** 0: any. */
  port: number;
}

/**
 * A server of a few routes, for those who know it. Every answer carries the relay host protocol's version in
 * `x-spawner-protocol`; what `handle` rejects with is answered as an error. Rejects where the address cannot be had.
 */
export async function openSmallServer(
  { host, port }: Address,
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<SmallServer> {
  const server = createServer((request, response) => {
    response.setHeader("x-spawner-protocol", relayHostProtocolVersion);
    handle(request, response).catch((error: unknown) => sendError(response, error));
  });
  server.requestTimeout = deadlines.requestMs;
  await listen(server, { host, port });
  server.on("error", () => {}); // one connection could not be accepted; the next may be
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(listenAddress(address), () => {
      server.off("error", reject);
      resolve();
    });
  });
}
