import { createServer, type Socket } from "node:net";
import { encodeLegacyState, type RelayHost, type RelayHostState } from "../core/relay-host.ts";
import type { RequestHead } from "../relay/index.ts";

/** Whether a request on the serve port is one that 0.1.9's sidecar answered itself. */
export function isLegacyEvents({ target }: RequestHead): boolean {
  return /^(https?:\/\/[^/?#]*)?\/_events(\?|$)/.test(target);
}

/** A server of this machine's own, to which the relay passes such requests. */
export interface LegacyEvents {
  readonly upstream: { readonly host: string; readonly port: number };
  close(): void;
}

/**
 * Serves `/_events` as 0.1.9's sidecar did: its sweeper wants one event in one chunk, written at once, and no heartbeat, `id:` or
 * anything else; what it cannot read has it dial again at once, without end. Written to sockets, so that each byte is ours.
 */
export async function openLegacyEvents(relayHost: Pick<RelayHost, "watch">): Promise<LegacyEvents> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // close follows
    socket.on("close", () => sockets.delete(socket));
    socket.setNoDelay(true);
    // The relay sends a head in one piece, and nobody else comes here.
    socket.once("data", () => answer(socket, relayHost));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  });
  server.on("error", () => {}); // one connection could not be accepted; the next may be
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on a port");
  return {
    upstream: { host: "127.0.0.1", port: address.port },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function answer(socket: Socket, relayHost: Pick<RelayHost, "watch">): void {
  let head = [
    "HTTP/1.1 200 OK",
    "content-type: text/event-stream",
    "transfer-encoding: chunked",
    `date: ${new Date().toUTCString()}`,
    "\r\n",
  ].join("\r\n");
  const unwatch = relayHost.watch({
    onState(state) {
      socket.write(head + chunkOf(state));
      head = "";
    },
    onLost: () => socket.destroy(),
  });
  socket.on("close", unwatch);
}

function chunkOf(state: RelayHostState): string {
  const event = `data: ${encodeLegacyState(state)}\n\n`;
  return `${event.length.toString(16).toUpperCase()}\r\n${event}\r\n`;
}
