import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ErrorCode } from "@spawner/client";
import { deadlines } from "../core/deadlines.ts";
import { makeErrorBody } from "../core/error-body.ts";
import { httpStatusOf, isSpawnerError, SpawnerError } from "../core/errors.ts";
import { encodeRelayHostState, type RelayHost, relayHostProtocolVersion } from "../core/relay-host.ts";
import type { Clock } from "../lib/clock.ts";

export interface ControlServerConfig {
  host: string;
  port: number;
  /** SHA-256 of the bearer token that requests must carry, in hexadecimal. Default: none is asked for. */
  tokenSha256?: string;
}

export interface ControlServerDeps {
  relayHost: RelayHost;
  clock: Clock;
  /** What `GET /metrics` gives. Default: there is no such route. */
  metrics?: () => string;
}

export interface ControlServer {
  readonly port: number;
  close(): Promise<void>;
}

const bodyBytesMax = 4_096;
const longestHoldSeconds = 86_400;
const longestLeaseSeconds = 3_600;

/**
 * The relay host protocol over HTTP: `GET /_events`, `POST /hold`, `POST /seal`, and, for everybody, `GET /healthz` and
 * `GET /metrics`, which name nobody. Every answer carries the protocol's version in `x-spawner-protocol`.
 */
export async function openControlServer(
  config: ControlServerConfig,
  { relayHost, clock, metrics }: ControlServerDeps,
): Promise<ControlServer> {
  const server = createServer((request, response) => {
    response.setHeader("x-spawner-protocol", relayHostProtocolVersion);
    handle(request, response).catch((error: unknown) => sendError(response, error));
  });
  server.requestTimeout = deadlines.requestMs;

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const route = `${request.method} ${request.url}`;
    if (route === "GET /healthz") return sendJson(response, 200, {});
    if (route === "GET /metrics" && metrics !== undefined)
      return send(response, 200, { type: "text/plain; version=0.0.4", text: metrics() });
    authorize(request, config.tokenSha256);
    switch (route) {
      case "GET /_events":
        return streamEvents(response, relayHost, clock);
      case "POST /hold": {
        const { seconds } = await readBody(request);
        const answer = await relayHost.hold(numberField("seconds", seconds, longestHoldSeconds));
        return sendJson(response, answer.held ? 200 : 409, answer);
      }
      case "POST /seal": {
        const { leaseSeconds, evenIfActive, evenInGrace, isFinal } = await readBody(request);
        const leaseMs = numberField("leaseSeconds", leaseSeconds, longestLeaseSeconds) * 1000;
        const answer = await relayHost.seal({
          leaseMs,
          evenIfActive: evenIfActive === true,
          evenInGrace: evenInGrace === true,
          isFinal: isFinal === true,
        });
        return sendJson(response, answer.sealed ? 200 : 409, answer);
      }
      default:
        throw new SpawnerError("not_found", `There is no route ${JSON.stringify(route)} on the control port.`);
    }
  };

  await listen(server, config);
  server.on("error", () => {}); // one connection could not be accepted; the next may be
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Server, { host, port }: ControlServerConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function authorize(request: IncomingMessage, tokenSha256: string | undefined): void {
  if (tokenSha256 === undefined) return;
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
  const given = createHash("sha256").update(token).digest();
  if (timingSafeEqual(given, Buffer.from(tokenSha256, "hex"))) return;
  throw new SpawnerError("unauthorized", "The control port needs this backend's bearer token.");
}

/** The present state, then each change; comments in between, so that a dead connection is noticed. */
function streamEvents(response: ServerResponse, relayHost: RelayHost, clock: Clock): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  response.flushHeaders();
  const unwatch = relayHost.watch({
    onState: (state) => void response.write(`data: ${encodeRelayHostState(state)}\n\n`),
    onLost: () => response.end(),
  });
  const beat = () => {
    response.write(":\n\n");
    heartbeat = clock.after(deadlines.heartbeatMs, beat);
  };
  let heartbeat = clock.after(deadlines.heartbeatMs, beat);
  response.on("close", () => {
    unwatch();
    heartbeat.cancel();
  });
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > bodyBytesMax)
      throw new SpawnerError("body_too_large", `The body may have ${bodyBytesMax} bytes at most.`);
    chunks.push(chunk as Buffer);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null) return body as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new SpawnerError(
    "invalid_request",
    `The body must be a JSON object; ${JSON.stringify(text.slice(0, 60))} was given.`,
  );
}

function numberField(name: string, value: unknown, most: number): number {
  if (typeof value === "number" && value > 0 && value <= most) return value;
  throw new SpawnerError(
    "invalid_request",
    `${name} must be a number of seconds above 0 and at most ${most}; ${JSON.stringify(value)} was given.`,
  );
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, { type: "application/json", text: JSON.stringify(body) });
}

function send(response: ServerResponse, status: number, { type, text }: { type: string; text: string }): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}

function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = isSpawnerError(error);
  const code: ErrorCode = known ? error.code : "internal";
  sendJson(response, httpStatusOf[code], makeErrorBody(code, known ? error.message : "An internal error happened."));
}
