import { getEventListeners } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { SpawnerClient, type SpawnerClientOptions } from "./client.ts";
import type { BackendState } from "./protocol.ts";

export type Answerer = (response: ServerResponse, request: IncomingMessage) => void;

/** A server on any port that answers the first request by the first answerer, and so on; the last answers all further ones. */
export function startServer(...answerers: Answerer[]) {
  return startServerAt(0, ...answerers);
}

export async function startServerAt(listenPort: number, ...answerers: Answerer[]) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    const answer = answerers[Math.min(requests.length, answerers.length - 1)];
    requests.push(request);
    answer?.(response, request);
  });
  await new Promise<void>((resolve) => server.listen(listenPort, "127.0.0.1", resolve));
  onTestFinished(() => stopServer(server));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/api`, port, requests, stop: () => stopServer(server) };
}

function stopServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** A client that is in a hurry. */
export function hurriedClient(url: string, options: Partial<SpawnerClientOptions> = {}): SpawnerClient {
  return new SpawnerClient({
    url,
    timeoutMs: 5_000,
    retry: { firstMs: 5, mostMs: 20, giveUpMs: 5_000, silenceMs: 300 },
    ...options,
  });
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Answerer {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
  };
}

export function errorBody(code: string, message = "no") {
  return { id: "e1", code, message };
}

/** A proxy whose server is not there. */
export const badGatewayPage: Answerer = (response) => {
  response.writeHead(502, { "content-type": "text/html" }).end("<html><h1>502 Bad Gateway</h1></html>");
};

/** One state as the server's stream tells it. */
export function stateEvent(state: BackendState, uid: string | undefined = "u1"): string {
  const id = uid === "" ? "" : `id: ${uid}/${state}\n`;
  return `${id}data: ${JSON.stringify({ state, time: "2026-01-01T00:00:00.000Z" })}\n\n`;
}

/** Sends these parts of an event stream one by one, and ends it; with `isCut` by a reset. */
export function events(parts: readonly (string | Uint8Array)[], options: { isCut?: boolean } = {}): Answerer {
  return inParts(parts, { contentType: "text/event-stream", ...options });
}

/** Sends these parts one by one, and ends; with `isCut` by a reset. */
export function inParts(
  parts: readonly (string | Uint8Array)[],
  { contentType, isCut = false }: { contentType: string; isCut?: boolean },
): Answerer {
  return (response) => {
    response.writeHead(200, { "content-type": contentType });
    const sendFrom = (index: number) => {
      const part = parts[index];
      if (part !== undefined) response.write(part, () => setImmediate(sendFrom, index + 1));
      else if (isCut) response.destroy();
      else response.end();
    };
    sendFrom(0);
  };
}

/** All that an iteration gives, and the error that ended it. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<{ items: Item[]; error: unknown }> {
  const collected: Item[] = [];
  try {
    for await (const item of items) collected.push(item);
    return { items: collected, error: undefined };
  } catch (error) {
    return { items: collected, error };
  }
}

/** Tells how many listeners of this signal have not been taken back. */
export function countListeners(signal: AbortSignal): () => number {
  return () => getEventListeners(signal, "abort").length;
}
