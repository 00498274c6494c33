import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import { deadlines } from "../../core/deadlines.ts";
import { SpawnerError } from "../../core/errors.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import { pause } from "../../lib/pause.ts";
import { type Attempt, Breaker } from "./breaker.ts";
import { answerOf, followBody, isRefused, type KubeAnswer, readAnswer } from "./kube-answer.ts";
import type { KubeClient, KubeRequest } from "./kube-client.ts";
import type { KubeConfig } from "./kube-config.ts";
import { TokenFile } from "./token-file.ts";

/** Connections for calls; more calls wait for one. */
const callSocketsMax = 32;
/** The API server closes after 90 s what is idle: given up before that, so that no request meets the end. */
const idleSocketMs = 60_000;

/** The API server over HTTP/1.1, on connections that are kept. */
export class HttpsKubeClient implements KubeClient {
  readonly namespace: string;
  readonly #clock: Clock;
  readonly #base: URL;
  readonly #breaker: Breaker;
  readonly #token: TokenFile | string | undefined;
  readonly #calls: http.Agent;
  readonly #streams: http.Agent;
  #closed = false;

  constructor(config: KubeConfig, { clock }: { clock: Clock }) {
    const { namespace, server, tls, token } = config;
    this.namespace = namespace;
    this.#clock = clock;
    this.#base = new URL(server.endsWith("/") ? server : `${server}/`);
    this.#breaker = new Breaker({ clock });
    this.#token = typeof token === "object" ? new TokenFile(token.file, { clock }) : token;
    const { Agent } = this.#base.protocol === "https:" ? https : http;
    this.#calls = new Agent({ ...tls, keepAlive: true, maxSockets: callSocketsMax, timeout: idleSocketMs });
    // As many as there are: a watch that waited for somebody to follow a log no more would leave all of a role blind.
    this.#streams = new Agent(tls);
  }

  async json<Result>(request: KubeRequest): Promise<Result> {
    const untilMs = this.#clock.monotonicMs() + (request.isList ? deadlines.apiServerListMs : deadlines.apiServerMs);
    for (let attempts = 1; ; attempts += 1) {
      const answer = await this.#exchange(request, { agent: this.#calls, untilMs, read: readAnswer });
      if (attempts === 1 && this.#mayRetryWithFreshToken(answer)) continue;
      const waitMs = retryAfterMs(answer);
      if (waitMs === undefined || this.#clock.monotonicMs() + waitMs >= untilMs) return answerOf<Result>(answer);
      await pause(this.#clock, waitMs, request.signal);
      request.signal?.throwIfAborted();
    }
  }

  async stream(request: KubeRequest): Promise<AsyncIterable<Uint8Array>> {
    const untilMs = this.#clock.monotonicMs() + deadlines.apiServerMs;
    for (let attempts = 1; ; attempts += 1) {
      const opened = await this.#exchange(request, {
        agent: this.#streams,
        untilMs,
        read: async (response) => (isRefused(response) ? readAnswer(response) : response),
      });
      if (opened instanceof http.IncomingMessage) return followBody(opened, request.signal);
      if (attempts > 1 || !this.#mayRetryWithFreshToken(opened)) return answerOf<never>(opened);
    }
  }

  close(): void {
    this.#closed = true;
    this.#calls.destroy();
    this.#streams.destroy();
  }

  /** Sends the request and has `read` take the response, all before `untilMs`. */
  async #exchange<Result>(
    request: KubeRequest,
    how: { agent: http.Agent; untilMs: number; read: (response: IncomingMessage) => Promise<Result> },
  ): Promise<Result> {
    request.signal?.throwIfAborted();
    if (this.#closed) throw this.#unavailable("the connection to it was closed");
    const attempt = this.#breaker.admit();
    if (attempt === undefined) throw this.#unavailable("it did not answer of late, and was not asked again yet");
    try {
      const result = await this.#attempt(request, { ...how, attempt });
      attempt.succeeded();
      return result;
    } catch (cause) {
      if (request.signal?.aborted) {
        attempt.abandoned();
        throw request.signal.reason;
      }
      if (cause instanceof StaleConnection) {
        attempt.abandoned();
        return this.#exchange(request, how);
      }
      attempt.failed();
      // Others of them may lead to the same nowhere, and be found out only one deadline after the other.
      for (const socket of idleSocketsOf(this.#calls)) socket.destroy();
      throw this.#unavailable((cause as Error).message, cause);
    }
  }

  async #attempt<Result>(
    request: KubeRequest,
    how: {
      agent: http.Agent;
      untilMs: number;
      read: (response: IncomingMessage) => Promise<Result>;
      attempt: Attempt;
    },
  ): Promise<Result> {
    const outgoing = this.#send(request, how.agent);
    const onAbort = () => outgoing.destroy(new Error("given up"));
    request.signal?.addEventListener("abort", onAbort);
    const mostMs = how.untilMs - this.#clock.monotonicMs();
    const deadline = this.#clock.after(mostMs, () =>
      outgoing.destroy(new Error(`it did not answer within ${Math.round(mostMs / 100) / 10} s`)),
    );
    if (request.mayBeSilent) onConnected(outgoing, () => connected(deadline, how.attempt));
    try {
      return await how.read(await responseTo(outgoing));
    } catch (error) {
      outgoing.destroy();
      throw isStale(outgoing, error as Error, request) ? new StaleConnection() : error;
    } finally {
      deadline.cancel();
      request.signal?.removeEventListener("abort", onAbort);
    }
  }

  #send({ method, path, query = {}, body, contentType }: KubeRequest, agent: http.Agent): ClientRequest {
    const url = new URL(path.slice(1), this.#base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const token = this.#token instanceof TokenFile ? this.#token.current() : this.#token;
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const { request } = url.protocol === "https:" ? https : http;
    const outgoing = request(url, {
      method,
      agent,
      headers: {
        accept: "application/json",
        "user-agent": "spawner",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(payload === undefined
          ? {}
          : { "content-type": contentType ?? defaultContentType(method), "content-length": payload.length }),
      },
    });
    outgoing.end(payload);
    return outgoing;
  }

  #mayRetryWithFreshToken({ status }: KubeAnswer): boolean {
    if (status !== 401 || !(this.#token instanceof TokenFile)) return false;
    const before = this.#token.current();
    this.#token.refused();
    return this.#token.current() !== before;
  }

  #unavailable(why: string, cause?: unknown): SpawnerError {
    return new SpawnerError("unavailable", `The API server ${this.#base.origin} cannot be asked: ${why}.`, { cause });
  }
}

/** A kept connection was closed by the other side just when it was used again. */
class StaleConnection extends Error {}

/** Only what changes nothing is sent again: a write may have arrived. */
function isStale(outgoing: ClientRequest, error: NodeJS.ErrnoException, { method }: KubeRequest): boolean {
  return method === "GET" && outgoing.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
}

function responseTo(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // Later errors are the response's to tell.
    outgoing.on("error", reject);
    outgoing.once("response", resolve);
  });
}

function onConnected(outgoing: ClientRequest, callback: () => void): void {
  outgoing.once("socket", (socket) => socket.once("encrypted" in socket ? "secureConnect" : "connect", callback));
}

/** It is there; what it says may take as long as it likes. */
function connected(deadline: Timer, attempt: Attempt): void {
  deadline.cancel();
  attempt.succeeded();
}

function idleSocketsOf(agent: http.Agent): Socket[] {
  return Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []) as Socket[];
}

function defaultContentType(method: KubeRequest["method"]): string {
  return method === "PATCH" ? "application/merge-patch+json" : "application/json";
}

/** How long the server asks to be left alone (RFC 9110, section 10.2.3), where it does. */
function retryAfterMs({ status, retryAfter }: KubeAnswer): number | undefined {
  const seconds = Number(retryAfter ?? Number.NaN);
  return status === 429 && Number.isFinite(seconds) ? seconds * 1000 : undefined;
}
