import type { Socket } from "node:net";
import type { Clock } from "../lib/clock.ts";
import type { Activity, ActivityLease } from "./activity.ts";
import { Deadline } from "./deadline.ts";
import { type BodyFraming, requestFraming, responseFraming } from "./framing.ts";
import { findHeadEnd, parseRequestHead, parseResponseHead, type RequestHead, type ResponseHead } from "./head.ts";
import type { RelayLimits } from "./limits.ts";
import { OpenExchange } from "./open-exchange.ts";
import { keyOf, type Plan, type RequestHandler } from "./plan.ts";
import { RelayProblem } from "./problem.ts";
import { type Answer, encodeAnswer } from "./response.ts";
import { UpstreamLink } from "./upstream-link.ts";

export interface ConnectionDeps {
  readonly clock: Clock;
  readonly limits: RelayLimits;
  readonly activity: Activity;
  readonly onRequest: RequestHandler;
  /** The response to what the relay itself has to refuse. */
  readonly describeProblem: (problem: RelayProblem, head: RequestHead | undefined) => Answer;
  /** Told when nothing is left of the connection. */
  readonly onClosed: () => void;
}

type State =
  /** Waits for a request, or for the rest of its head. */
  | { readonly kind: "waiting" }
  | { readonly kind: "exchange"; readonly exchange: OpenExchange }
  /** After 101: copies both ways. */
  | { readonly kind: "tunnel"; readonly lease: ActivityLease; clientEnded: boolean; upstreamEnded: boolean }
  /** The last answer is on its way; what the client still sends is thrown away. */
  | { readonly kind: "lingering"; bytes: number }
  | { readonly kind: "closed" };

/** A connection idle for longer may just be closing: only what may be sent twice is sent on it. */
const surelyOpenMs = 1_000;
const nothing: Buffer = Buffer.alloc(0);

/** One client connection and the one upstream connection that belongs to it. */
export class ClientConnection {
  readonly #socket: Socket;
  readonly #deps: ConnectionDeps;
  readonly #deadline: Deadline;
  #state: State = { kind: "waiting" };
  /** Bytes of the client that were not passed on yet. */
  #pending = nothing;
  /** Bytes of the upstream that are not a whole response head yet. */
  #pendingResponse = nothing;
  #link: UpstreamLink | undefined;
  /** The client sends no more. */
  #clientEnded = false;

  constructor(socket: Socket, deps: ConnectionDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#deadline = new Deadline(deps.clock);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket
      .on("error", ignore) // close follows
      .on("data", (bytes) => this.#onClientData(bytes))
      .on("drain", () => this.#link?.resume())
      .on("end", () => this.#onClientEnd())
      .on("close", () => this.#close());
    this.#awaitRequest();
  }

  /** Whether nothing is in flight. */
  get isIdle(): boolean {
    return this.#state.kind === "waiting" && this.#pending.length === 0;
  }

  /** Key of the upstream that it is connected to. */
  get upstreamKey(): string | undefined {
    return this.#link?.key;
  }

  /** To be called now and then: does what is due. */
  tick(nowMs: number): void {
    this.#deadline.tick(nowMs);
  }

  /** Ends it now, whatever is in flight. */
  destroy(): void {
    this.#close();
  }

  /** Answers a connection that is one too many. */
  refuse(problem: RelayProblem): void {
    this.#answer(this.#deps.describeProblem(problem, undefined), undefined);
  }

  // What the client does.

  #onClientData(bytes: Buffer): void {
    switch (this.#state.kind) {
      case "waiting":
      case "exchange":
        this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
        this.#process();
        return;
      case "tunnel":
        if (this.#link?.write(bytes) === false) this.#socket.pause();
        if (this.#state.upstreamEnded) this.#expectBytes();
        return;
      case "lingering":
        this.#state.bytes += bytes.length;
        if (this.#state.bytes > this.#deps.limits.lingerBytesMax) this.#close();
        return;
      case "closed":
        return;
      default:
        return this.#state satisfies never;
    }
  }

  #onClientEnd(): void {
    this.#clientEnded = true;
    const nowMs = this.#deps.clock.monotonicMs();
    switch (this.#state.kind) {
      case "waiting":
        this.#shutDown();
        return;
      case "lingering":
        if (this.#socket.writableFinished) this.#close();
        return;
      case "exchange": {
        const { exchange } = this.#state;
        exchange.lease.end(nowMs);
        if (exchange.requestBody.isDone) this.#expectBytes();
        else
          this.#fail(
            new RelayProblem("invalid_request", "the client ended its side in the middle of a request's body"),
          );
        return;
      }
      case "tunnel":
        this.#state.clientEnded = true;
        this.#state.lease.end(nowMs);
        this.#link?.end();
        this.#endOrExpectBytes();
        return;
      case "closed":
        return;
      default:
        return this.#state satisfies never;
    }
  }

  /** Gets as far as it can with the bytes that wait. */
  #process(): void {
    try {
      while (this.#pending.length > 0 && this.#step());
    } catch (error) {
      if (!(error instanceof RelayProblem)) throw error;
      this.#fail(error);
    }
    this.#pauseIfFull();
  }

  /** Whether there may be more to do with what waits. */
  #step(): boolean {
    switch (this.#state.kind) {
      case "waiting":
        return this.#beginExchange();
      case "exchange":
        return this.#sendBody(this.#state.exchange);
      default:
        return false;
    }
  }

  /** So that a client which sends ahead is held back; what is read anyway tells that it has gone. */
  #pauseIfFull(): void {
    if (this.#state.kind === "tunnel" || this.#state.kind === "lingering" || this.#state.kind === "closed") return;
    if (this.#pending.length > this.#deps.limits.pendingBytesMax || this.#link?.isFull) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  // A request.

  #beginExchange(): boolean {
    const { limits, activity } = this.#deps;
    // RFC 9112 2.2: an empty line before a request line is ignored.
    if (this.#pending[0] === 0x0d && this.#pending[1] === 0x0a) {
      this.#pending = this.#pending.subarray(2);
      return true;
    }
    const end = findHeadEnd(this.#pending, limits);
    if (end === undefined) {
      const late = new RelayProblem("timeout", `the request's head took more than ${limits.headTimeoutMs / 1000} s`);
      this.#deadline.setOnce("head", limits.headTimeoutMs, () => this.#fail(late));
      return false;
    }
    const head = parseRequestHead(this.#pending.subarray(0, end), limits);
    const requestBody = requestFraming(head, limits);
    this.#pending = this.#pending.subarray(end);
    this.#deadline.clear();
    const exchange = new OpenExchange({ head, requestBody, lease: activity.begin() });
    if (this.#clientEnded) exchange.lease.end();
    this.#state = { kind: "exchange", exchange };
    this.#ask(exchange, undefined);
    return true;
  }

  /** Asks the handler where the request goes, and sends it there. */
  #ask(exchange: OpenExchange, previousFailure: RelayProblem | undefined): void {
    try {
      const plan = this.#deps.onRequest(exchange.view(this.#socket.remoteAddress ?? "", previousFailure));
      if (!(plan instanceof Promise)) this.#follow(exchange, plan);
      else
        plan.then(
          (later) => this.#followIfCurrent(exchange, later),
          (error) => this.#handlerFailed(exchange, error),
        );
    } catch (error) {
      this.#handlerFailed(exchange, error);
    }
  }

  #followIfCurrent(exchange: OpenExchange, plan: Plan): void {
    if (!this.#isCurrent(exchange)) return;
    this.#follow(exchange, plan);
    this.#process();
  }

  #handlerFailed(exchange: OpenExchange, cause: unknown): void {
    if (this.#isCurrent(exchange))
      this.#fail(new RelayProblem("upstream_failed", "no upstream could be found", { cause }));
  }

  #follow(exchange: OpenExchange, plan: Plan): void {
    if (plan.kind === "answer") return this.#answer(plan.answer, exchange.head);
    exchange.plan = plan;
    const reused = this.#reusableLink(exchange, keyOf(plan.upstream));
    if (reused) {
      this.#sendHead(exchange);
      return;
    }
    this.#dropLink();
    const { connectTimeoutMs } = this.#deps.limits;
    this.#link = this.#connect(plan);
    this.#deadline.set("connect", connectTimeoutMs, () => {
      this.#upstreamFailed(
        new RelayProblem("upstream_failed", `connecting took more than ${connectTimeoutMs / 1000} s`),
      );
    });
  }

  #reusableLink({ head }: OpenExchange, key: string): boolean {
    const link = this.#link;
    if (link === undefined || link.key !== key || !link.isConnected || !link.isReusable()) return false;
    return (head.isIdempotent && !head.hasBody) || link.idleMs(this.#deps.clock.monotonicMs()) < surelyOpenMs;
  }

  #connect({ upstream }: Extract<Plan, { kind: "forward" }>): UpstreamLink {
    return new UpstreamLink(upstream, {
      onConnect: () => this.#onUpstreamConnect(),
      onData: (bytes) => this.#onUpstreamData(bytes),
      onEnd: () => this.#onUpstreamEnd(),
      onDrain: () => {
        if (this.#state.kind === "tunnel") this.#socket.resume();
        else this.#process();
      },
      onClosed: (cause) => this.#onUpstreamClosed(cause),
    });
  }

  #onUpstreamConnect(): void {
    if (this.#state.kind !== "exchange") return this.#dropLink();
    this.#deadline.clear();
    this.#sendHead(this.#state.exchange);
    if (this.#clientEnded) this.#expectBytes();
    this.#process();
  }

  #sendHead(exchange: OpenExchange): void {
    const { head, plan } = exchange;
    const link = this.#link;
    if (link === undefined || plan === undefined) return;
    exchange.sent = link.isFresh ? "first" : "reused";
    link.sendHead(plan.head?.(link.isFresh) ?? head.raw);
  }

  /** Passes on what there is of the request's body. */
  #sendBody(exchange: OpenExchange): boolean {
    const link = this.#link;
    if (exchange.requestBody.isDone || exchange.sent === undefined || link === undefined || link.isFull) return false;
    const end = exchange.requestBody.read(this.#pending, 0);
    exchange.bodyBytesSent += end;
    link.write(this.#pending.subarray(0, end));
    this.#pending = this.#pending.subarray(end);
    this.#finishIfDone(exchange);
    return this.#state.kind === "waiting";
  }

  // What the upstream does.

  #onUpstreamData(bytes: Buffer): void {
    switch (this.#state.kind) {
      case "exchange":
        try {
          this.#onResponseBytes(this.#state.exchange, bytes);
        } catch (error) {
          if (!(error instanceof RelayProblem)) throw error;
          this.#fail(new RelayProblem("upstream_failed", error.message, { cause: error }));
        }
        return;
      case "tunnel":
        this.#toClient(bytes);
        if (this.#state.clientEnded) this.#heardWhileHalfClosed();
        return;
      case "waiting":
      case "lingering":
      case "closed":
        // Bytes that belong to no request: the connection cannot be trusted any more.
        return this.#dropLink();
      default:
        return this.#state satisfies never;
    }
  }

  #onResponseBytes(exchange: OpenExchange, bytes: Buffer): void {
    if (this.#clientEnded) this.#heardWhileHalfClosed();
    if (exchange.response !== undefined) return this.#passResponseBody(exchange, exchange.response.body, bytes, 0);
    this.#pendingResponse = this.#pendingResponse.length === 0 ? bytes : Buffer.concat([this.#pendingResponse, bytes]);
    while (this.#state.kind === "exchange" && exchange.response === undefined && this.#pendingResponse.length > 0) {
      const end = findHeadEnd(this.#pendingResponse, this.#deps.limits);
      if (end === undefined) return;
      const head = parseResponseHead(this.#pendingResponse.subarray(0, end), this.#deps.limits);
      const rest = this.#pendingResponse.subarray(end);
      this.#pendingResponse = nothing;
      this.#onResponseHead(exchange, head, rest);
    }
  }

  #onResponseHead(exchange: OpenExchange, head: ResponseHead, rest: Buffer): void {
    if (head.status === 421 && exchange.mayRepeatElsewhere()) {
      return this.#repeat(
        exchange,
        new RelayProblem("upstream_failed", "the upstream says that it is not the one meant"),
      );
    }
    if (head.status === 101 && exchange.head.upgrade === undefined) {
      throw new RelayProblem("upstream_failed", "101 was answered to a request that asked for no upgrade");
    }
    const body = head.isInterim ? undefined : responseFraming(head, exchange.head, this.#deps.limits);
    this.#toClient(exchange.plan?.onResponseHead?.(head) ?? head.raw);
    if (head.status === 101) return this.#openTunnel(exchange, rest);
    if (body === undefined) {
      this.#pendingResponse = rest;
      return;
    }
    exchange.response = { head, body };
    this.#passResponseBody(exchange, body, rest, 0);
  }

  #passResponseBody(exchange: OpenExchange, body: BodyFraming, bytes: Buffer, from: number): void {
    const end = body.read(bytes, from);
    if (end > from) this.#toClient(bytes.subarray(from, end));
    if (end < bytes.length) this.#dropLink(); // more than was announced: nothing more is taken from there
    this.#finishIfDone(exchange);
  }

  #onUpstreamEnd(): void {
    switch (this.#state.kind) {
      case "exchange":
        return this.#endedDuring(this.#state.exchange, undefined);
      case "tunnel":
        this.#state.upstreamEnded = true;
        this.#socket.end();
        this.#endOrExpectBytes();
        return;
      case "waiting":
      case "lingering":
      case "closed":
        return this.#dropLink();
      default:
        return this.#state satisfies never;
    }
  }

  #onUpstreamClosed(cause: Error | undefined): void {
    switch (this.#state.kind) {
      case "exchange":
        return this.#endedDuring(this.#state.exchange, cause);
      case "tunnel":
        // What was passed on still reaches the client; a reset is passed on as one.
        if (cause === undefined) this.#shutDown();
        else this.#close();
        return;
      case "waiting":
      case "lingering":
      case "closed":
        return this.#dropLink();
      default:
        return this.#state satisfies never;
    }
  }

  /** The upstream ended in the middle of an exchange: as it should, too early, or too late to matter. */
  #endedDuring(exchange: OpenExchange, cause: Error | undefined): void {
    const { response } = exchange;
    if (response === undefined) {
      const how = cause === undefined ? "closed the connection" : `failed (${cause.message})`;
      return this.#upstreamFailed(
        new RelayProblem("upstream_failed", `the upstream ${how} before it answered`, { cause }),
      );
    }
    this.#dropLink();
    if (response.body.isUntilClose && cause === undefined) return this.#endExchange(exchange, false);
    // The response is whole, but the upstream will not take the rest of the request.
    if (response.body.isDone) return this.#endExchange(exchange, false);
    this.#close();
  }

  // How an exchange ends.

  #finishIfDone(exchange: OpenExchange): void {
    const { response, requestBody, head } = exchange;
    if (response === undefined || !response.body.isDone) return;
    const keepsAlive = head.keepsAlive && response.head.keepsAlive;
    // An early answer on a connection that goes on: the rest of the request is still to be passed on.
    if (requestBody.isDone || !keepsAlive) this.#endExchange(exchange, keepsAlive && requestBody.isDone);
  }

  #endExchange(exchange: OpenExchange, keepsAlive: boolean): void {
    // In flight until the last byte has left us; on a socket that breaks, the callback comes too.
    if (this.#socket.writableLength === 0) exchange.lease.end();
    else this.#socket.write(nothing, () => exchange.lease.end());
    this.#state = { kind: "waiting" };
    this.#pendingResponse = nothing;
    if (!keepsAlive) {
      this.#shutDown();
      return;
    }
    this.#link?.rest(this.#deps.clock.monotonicMs());
    this.#awaitRequest();
    if (this.#pending.length > 0) this.#process();
    // A client that half-closed behind its last request has nothing more to say.
    if (this.#clientEnded && this.#state.kind === "waiting") this.#shutDown();
  }

  #openTunnel(exchange: OpenExchange, rest: Buffer): void {
    const { lease } = exchange;
    this.#state = { kind: "tunnel", lease, clientEnded: this.#clientEnded, upstreamEnded: false };
    this.#deadline.clear();
    const sentAhead = this.#pending;
    this.#pending = nothing;
    if (rest.length > 0) this.#toClient(rest);
    if (sentAhead.length > 0) this.#link?.write(sentAhead);
    if (this.#clientEnded) this.#link?.end();
    this.#socket.resume();
  }

  #upstreamFailed(problem: RelayProblem): void {
    if (this.#state.kind !== "exchange") return this.#dropLink();
    const { exchange } = this.#state;
    if (exchange.mayRepeat()) this.#repeat(exchange, problem);
    else this.#fail(problem);
  }

  #repeat(exchange: OpenExchange, problem: RelayProblem): void {
    this.#dropLink();
    this.#pendingResponse = nothing;
    this.#deadline.clear();
    exchange.restart();
    this.#ask(exchange, problem);
  }

  /** Answers for the upstream, or breaks off where part of an answer was sent. */
  #fail(problem: RelayProblem): void {
    if (this.#state.kind === "closed" || this.#state.kind === "lingering") return;
    const exchange = this.#state.kind === "exchange" ? this.#state.exchange : undefined;
    if (exchange?.response !== undefined) return this.#close();
    this.#answer(this.#deps.describeProblem(problem, exchange?.head), exchange?.head);
  }

  #answer(answer: Answer, head: RequestHead | undefined): void {
    this.#shutDown(encodeAnswer(answer, head));
  }

  /** Sends the last bytes, then gives the client time to read them before the connection goes (RFC 9112 9.6). */
  #shutDown(lastBytes = nothing): void {
    if (this.#state.kind === "closed" || this.#state.kind === "lingering") return;
    this.#leave();
    this.#state = { kind: "lingering", bytes: 0 };
    this.#socket.resume();
    this.#deadline.set("flush", this.#deps.limits.idleTimeoutMs, () => this.#close());
    this.#socket.end(lastBytes, () => {
      if (this.#clientEnded) this.#close();
      else if (this.#state.kind !== "closed")
        this.#deadline.set("linger", this.#deps.limits.lingerMs, () => this.#close());
    });
  }

  #close(): void {
    if (this.#state.kind === "closed") return;
    this.#leave();
    this.#state = { kind: "closed" };
    this.#deadline.clear();
    this.#socket.destroy();
    this.#deps.onClosed();
  }

  /** Gives back what is in flight. */
  #leave(): void {
    if (this.#state.kind === "tunnel") this.#state.lease.end();
    if (this.#state.kind === "exchange") this.#state.exchange.abandon();
    this.#pending = nothing;
    this.#pendingResponse = nothing;
    this.#dropLink();
  }

  // Half-closed connections.

  #endOrExpectBytes(): void {
    if (this.#state.kind !== "tunnel") return;
    if (this.#state.clientEnded && this.#state.upstreamEnded) this.#shutDown();
    else this.#expectBytes();
  }

  /** One side sends no more. If the other is silent too for a while, nobody is there. */
  #expectBytes(): void {
    this.#deadline.set("bytes", this.#deps.limits.halfClosedSilenceMs, () => this.#close());
  }

  /** Bytes that come for a client that sends no more are taken as a sign of life, though not as a live connection. */
  #heardWhileHalfClosed(): void {
    this.#deps.activity.touch();
    this.#expectBytes();
  }

  // The sockets.

  #toClient(bytes: Buffer): void {
    if (!this.#socket.write(bytes)) this.#link?.pause();
  }

  #dropLink(): void {
    this.#link?.destroy();
    this.#link = undefined;
  }

  #isCurrent(exchange: OpenExchange): boolean {
    return this.#state.kind === "exchange" && this.#state.exchange === exchange;
  }

  #awaitRequest(): void {
    this.#deadline.set("request", this.#deps.limits.idleTimeoutMs, () => this.#close());
  }
}

function ignore(): void {}
