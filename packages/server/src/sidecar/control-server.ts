import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { deadlines } from "../core/deadlines.ts";
import { SpawnerError } from "../core/errors.ts";
import { type BusyHost, encodeRelayHostState, type RelayHost } from "../core/relay-host.ts";
import type { Clock } from "../lib/clock.ts";
import { answerBusy, busyRoute } from "./busy-route.ts";
import { bearerTokenSha256, readBody, send, sendJson } from "./http-messages.ts";
import { type Address, openSmallServer, type SmallServer } from "./small-server.ts";

export interface ControlServerConfig extends Address {
  /** SHA-256 of the bearer token that requests must carry, in hexadecimal. Default: none is asked for. */
  tokenSha256?: string;
  /** The same of the program's own token, which is good for `PUT /busy` alone. Default: none is asked for. */
  programTokenSha256?: string;
}

export interface ControlServerDeps {
  relayHost: RelayHost & BusyHost;
  clock: Clock;
  /** What `GET /metrics` gives. Default: there is no such route. */
  metrics?: () => string;
}

/** Not all of 127.0.0.0/8: a service mesh's proxy brings callers from elsewhere in under another of them. */
const loopbackAddresses: readonly string[] = ["127.0.0.1", "::1", "::ffff:127.0.0.1"];

const longestHoldSeconds = 86_400;
const longestLeaseSeconds = 3_600;

/**
 * The relay host protocol over HTTP: `GET /_events`, `POST /hold`, `POST /seal`; `PUT /busy` for the program beside it; and, for
 * everybody, `GET /healthz` and `GET /metrics`, which name nobody. Every answer carries the protocol's version in
 * `x-spawner-protocol`.
 */
export function openControlServer(
  config: ControlServerConfig,
  { relayHost, clock, metrics }: ControlServerDeps,
): Promise<SmallServer> {
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const route = `${request.method} ${request.url}`;
    if (route === "GET /healthz") return sendJson(response, 200, {});
    if (route === "GET /metrics" && metrics !== undefined)
      return send(response, 200, { type: "text/plain; version=0.0.4", text: metrics() });
    if (route === busyRoute) {
      authorizeProgram(request, config.programTokenSha256);
      return answerBusy(request, response, relayHost);
    }
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

  return openSmallServer(config, handle);
}

function authorize(request: IncomingMessage, tokenSha256: string | undefined): void {
  if (isGiven(request, tokenSha256)) return;
  throw new SpawnerError("unauthorized", "The control port needs this backend's bearer token.");
}

/** Only from beside it: what its containers share of a Pod is the loopback address, which no other Pod reaches. */
function authorizeProgram(request: IncomingMessage, tokenSha256: string | undefined): void {
  if (!loopbackAddresses.includes(request.socket.remoteAddress ?? "")) {
    throw new SpawnerError("unauthorized", `${busyRoute} is for the program itself, by SPAWNER_CONTROL_URL.`);
  }
  if (isGiven(request, tokenSha256)) return;
  throw new SpawnerError("unauthorized", `${busyRoute} needs the bearer token of SPAWNER_CONTROL_TOKEN.`);
}

function isGiven(request: IncomingMessage, tokenSha256: string | undefined): boolean {
  if (tokenSha256 === undefined) return true;
  return timingSafeEqual(bearerTokenSha256(request), Buffer.from(tokenSha256, "hex"));
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

function numberField(name: string, value: unknown, most: number): number {
  if (typeof value === "number" && value > 0 && value <= most) return value;
  throw new SpawnerError(
    "invalid_request",
    `${name} must be a number of seconds above 0 and at most ${most}; ${JSON.stringify(value)} was given.`,
  );
}
