import { createServer, type ServerResponse } from "node:http";
import type { Listening } from "./running.ts";

export interface HealthDeps {
  /** Why nothing is to be sent to this process; undefined where it is ready. */
  whyNotReady(): string | undefined;
  /** What is exposed to whoever scrapes, and its media type. */
  metrics(): Promise<{ readonly text: string; readonly contentType: string }>;
}

/** How long one request may take, from its first byte. */
const requestMs = 5_000;

/**
 * Says how a process is, on a port of its own: `GET /healthz` answers for as long as the process gets round to it, `GET /readyz`
 * 200 or 503 with the reason, `GET /metrics` everything that is counted. Rejects with the socket's error where the
 * address cannot be had.
 */
export async function openHealthServer(
  { host, port }: { host: string; port: number },
  deps: HealthDeps,
): Promise<Listening> {
  const server = createServer((request, response) => {
    request.resume();
    answer(request.url, response, deps).catch(() => response.destroy());
  });
  server.requestTimeout = requestMs;
  server.headersTimeout = requestMs;
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen({ host, port }, listening.resolve);
  await listening.promise;
  server.off("error", listening.reject);
  server.on("error", () => {}); // one connection could not be accepted; the next may be
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a server on a port has one");
  return {
    host: address.address,
    port: address.port,
    close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeAllConnections();
      return promise;
    },
  };
}

async function answer(path: string | undefined, response: ServerResponse, deps: HealthDeps): Promise<void> {
  switch (path) {
    case "/healthz":
      return send(response, 200, "ok\n");
    case "/readyz": {
      const reason = deps.whyNotReady();
      return send(response, reason === undefined ? 200 : 503, `${reason ?? "ready"}\n`);
    }
    case "/metrics": {
      const { text, contentType } = await deps.metrics();
      return send(response, 200, text, contentType);
    }
    default:
      return send(response, 404, "/healthz, /readyz and /metrics are here.\n");
  }
}

function send(response: ServerResponse, status: number, body: string, contentType = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
  response.end(body);
}
