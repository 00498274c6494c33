import type { Socket } from "node:net";
import { Activity } from "./activity.ts";
import type { TrailerRules } from "./chunked-framing.ts";
import { adopt } from "./client-socket.ts";
import { Deadline } from "./deadline.ts";
import { Forwarding, type ForwardingDeps, type ForwardingOwner } from "./forwarding.ts";
import { requestFraming } from "./framing.ts";
import { Lingering } from "./lingering.ts";
import { OpenExchange } from "./open-exchange.ts";
import { hasWholeHead, parseRequestHead } from "./parse-head.ts";
import type { Exchange } from "./plan.ts";
import { RelayProblem } from "./problem.ts";
import type { RequestHead } from "./request-head.ts";
import { reset } from "./reset.ts";
import { type Answer, encodeAnswer } from "./response.ts";
import { nothing, SocketPair } from "./socket-pair.ts";
import { Tunnel } from "./tunnel.ts";

export interface ConnectionDeps extends ForwardingDeps {
  /** Whether a request counts as activity. Default: each does. */
  readonly isActivity?: (head: RequestHead) => boolean;
  readonly trailerRules: TrailerRules;
  /** The response to what the relay itself has to refuse. */
  readonly describeProblem: (problem: RelayProblem, exchange: Exchange | undefined) => Answer;
  /** Told of each answer of the relay's own, with its status. */
  readonly onAnswered?: (status: number) => void;
  /** Told when nothing is left of a connection. */
  readonly onClosed: (connection: ClientConnection) => void;
}

type State =
  /** Waits for a request, or for the rest of its head. */
  | { readonly kind: "waiting" }
  | { readonly kind: "exchange"; readonly forwarding: Forwarding }
  /** After 101. */
  | { readonly kind: "tunnel"; readonly tunnel: Tunnel }
  /** The last answer is on its way. */
  | { readonly kind: "lingering"; readonly lingering: Lingering }
  | { readonly kind: "closed" };

const waiting: State = { kind: "waiting" };

/**
 * One client connection, from its first byte to its last: reads where each request begins, and hands what comes from
 * either side to whoever is in charge of it at the time.
 */
export class ClientConnection implements ForwardingOwner {
  readonly #deps: ConnectionDeps;
  readonly #pair: SocketPair;
  readonly #deadline: Deadline;
  #state: State = waiting;
  /** Made once, since it is waited for after each request. */
  readonly #onIdle = () => this.#close("closed");
  /** Whether no more requests are taken. */
  #isFinishing = false;

  constructor(accepted: Socket, deps: ConnectionDeps) {
    const socket = adopt(accepted, (bytes) => this.#onClientData(bytes));
    this.#deps = deps;
    this.#pair = new SocketPair(socket, deps.limits);
    this.#deadline = new Deadline(deps.clock);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket
      .on("error", ignore) // close follows
      .on("drain", () => this.#onClientDrain())
      .on("end", () => this.#onClientEnd())
      .on("close", (hadError) => this.#onClientClosed(hadError));
    this.#awaitRequest(deps.clock.monotonicMs());
  }

  /** Whether an answer is to come, or is not all sent. An upgraded connection has none. */
  get isAnswering(): boolean {
    if (this.#state.kind === "lingering") return !this.#pair.client.writableFinished;
    return this.#state.kind === "exchange";
  }

  get isUpgraded(): boolean {
    return this.#state.kind === "tunnel";
  }

  /** Bytes that were read from the client. */
  get bytesReceived(): number {
    return this.#pair.client.bytesRead;
  }

  /** Bytes that have left for the client: `bytesWritten` has those that wait as well, and they may never leave. */
  get bytesSent(): number {
    const { bytesWritten, writableLength } = this.#pair.client;
    return bytesWritten - writableLength;
  }

  /** To be called now and then: does what is due. */
  tick(nowMs: number): void {
    this.#deadline.tick(nowMs);
    if (this.#state.kind === "tunnel") this.#state.tunnel.tick(nowMs);
    this.#pair.probe();
  }

  /** Ends it when what is in flight was answered. */
  finish(): void {
    this.#isFinishing = true;
    if (this.#isWaiting && this.#pair.pending.length === 0) this.#shutDown(nothing);
  }

  /** Ends it now, whatever is in flight. */
  destroy(): void {
    this.#close("closed");
  }

  // What the client does.

  #onClientData(bytes: Buffer): void {
    switch (this.#state.kind) {
      case "waiting":
      case "exchange": {
        const { pending } = this.#pair;
        this.#pair.pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
        return this.process();
      }
      case "tunnel":
        return this.#state.tunnel.onClientData(bytes);
      case "lingering":
        return this.#state.lingering.onClientData(bytes);
      case "closed":
        return;
      default:
        return this.#state satisfies never;
    }
  }

  /** Gets as far as it can with the bytes that wait. */
  process(): void {
    try {
      while (this.#pair.pending.length > 0 && this.#step());
    } catch (error) {
      this.#onFault(error);
    }
    if (this.#state.kind === "waiting" || this.#state.kind === "exchange") this.#pair.holdBack();
  }

  /** Whether there may be more to do with what waits. */
  #step(): boolean {
    if (this.#state.kind === "waiting") return this.#beginExchange();
    if (this.#state.kind !== "exchange") return false;
    this.#state.forwarding.passRequestBody();
    return this.#isWaiting;
  }

  #beginExchange(): boolean {
    const { limits, trailerRules } = this.#deps;
    const { pending } = this.#pair;
    // RFC 9112 2.2: an empty line before a request line is ignored.
    if (pending[0] === 0x0d && pending[1] === 0x0a) {
      this.#pair.pending = pending.subarray(2);
      return true;
    }
    if (!hasWholeHead(pending, limits)) {
      const late = new RelayProblem("timeout", `the request's head took more than ${limits.headTimeoutMs / 1000} s`);
      this.#deadline.setOnce("head", limits.headTimeoutMs, () => this.onProblem(late));
      return false;
    }
    const head = parseRequestHead(pending, limits);
    const requestBody = requestFraming(head, trailerRules);
    if (limits.bodyBytesMax > 0) refuseTooLong(head, limits.bodyBytesMax);
    this.#pair.pending = head.length === pending.length ? nothing : pending.subarray(head.length);
    const deps = this.#depsFor(head);
    const exchange = new OpenExchange({ head, requestBody, lease: deps.activity.begin() });
    const forwarding = new Forwarding(exchange, {
      pair: this.#pair,
      deadline: this.#deadline,
      deps,
      owner: this,
    });
    this.#state = { kind: "exchange", forwarding };
    forwarding.start();
    return true;
  }

  /** What does not count as activity is counted where nobody looks. */
  #depsFor(head: RequestHead): ForwardingDeps {
    if (this.#deps.isActivity?.(head) !== false) return this.#deps;
    return { ...this.#deps, activity: new Activity(this.#deps.clock) };
  }

  get #isWaiting(): boolean {
    return this.#state.kind === "waiting";
  }

  #onClientDrain(): void {
    if (this.#state.kind === "tunnel") this.#state.tunnel.onClientDrain();
    else if (this.#state.kind === "exchange") this.#state.forwarding.onClientDrain();
    else this.#pair.link?.resume();
  }

  #onClientEnd(): void {
    this.#pair.clientEnded = true;
    switch (this.#state.kind) {
      case "waiting":
        return this.#shutDown(nothing);
      case "exchange": {
        const { forwarding } = this.#state;
        return this.guarded(() => forwarding.onClientEnd());
      }
      case "tunnel":
        return this.#state.tunnel.onClientEnd();
      case "lingering":
        return this.#state.lingering.onClientEnd();
      case "closed":
        return;
      default:
        return this.#state satisfies never;
    }
  }

  #onClientClosed(hadError: boolean): void {
    if (hadError) {
      if (this.#state.kind === "exchange") this.#state.forwarding.exchange.takeBack();
      this.#pair.link?.breakOff();
    }
    if (this.#state.kind === "tunnel") this.#state.tunnel.onClientClosed(hadError);
    else this.#close("closed");
  }

  // What the upstream does.

  onUpstreamConnect(): void {
    if (this.#state.kind !== "exchange") return this.#pair.dropLink();
    const { forwarding } = this.#state;
    this.guarded(() => forwarding.onUpstreamConnect());
    this.process();
  }

  onUpstreamData(bytes: Buffer): void {
    if (this.#state.kind === "tunnel") return this.#state.tunnel.onUpstreamData(bytes);
    // Bytes that belong to no request: the connection cannot be trusted any more.
    if (this.#state.kind !== "exchange") return this.#pair.dropLink();
    try {
      this.#state.forwarding.onUpstreamData(bytes);
    } catch (error) {
      this.#onFault(asUpstreamFault(error));
    }
  }

  onUpstreamDrain(): void {
    if (this.#state.kind === "tunnel") return this.#state.tunnel.onUpstreamDrain();
    if (this.#state.kind === "exchange") this.#state.forwarding.onUpstreamDrain();
    this.process();
  }

  onUpstreamEnd(): void {
    if (this.#state.kind === "tunnel") this.#state.tunnel.onUpstreamEnd();
    else this.#onUpstreamOver(undefined);
  }

  onUpstreamClosed(cause: Error | undefined): void {
    if (this.#state.kind === "tunnel") this.#state.tunnel.onUpstreamClosed(cause);
    else this.#onUpstreamOver(cause);
  }

  #onUpstreamOver(cause: Error | undefined): void {
    if (this.#state.kind !== "exchange") return this.#pair.dropLink();
    const { forwarding } = this.#state;
    this.guarded(() => forwarding.onUpstreamOver(cause));
  }

  // How an exchange ends.

  onDone(keepsAlive: boolean): void {
    if (this.#state.kind !== "exchange") return;
    const { client } = this.#pair;
    const { exchange } = this.#state.forwarding;
    const { lease } = exchange;
    const nowMs = this.#deps.clock.monotonicMs();
    exchange.takeRelease()?.();
    // In flight until the last byte has left us; on a socket that breaks, the callback comes too.
    if (client.writableLength === 0) lease.end(nowMs);
    else client.write(nothing, () => lease.end());
    this.#state = waiting;
    if (!keepsAlive || this.#isFinishing) return this.#shutDown(nothing);
    this.#pair.link?.rest(nowMs);
    this.#awaitRequest(nowMs);
    this.process();
    // A client that half-closed behind its last request has nothing more to say.
    if (this.#pair.clientEnded && this.#isWaiting) this.#shutDown(nothing);
  }

  onUpgraded(behindHead: Buffer, protocol: string | undefined): void {
    const { pending, link, client, clientEnded } = this.#pair;
    if (this.#state.kind !== "exchange" || link === undefined) return;
    const tunnel = new Tunnel({
      client,
      link,
      lease: this.#state.forwarding.exchange.lease,
      activity: this.#deps.activity,
      clock: this.#deps.clock,
      protocol,
      limits: this.#deps.limits,
      deadline: this.#deadline,
      clientEnded,
      release: this.#state.forwarding.exchange.takeRelease(),
      onOver: (how) => this.#close(how),
    });
    this.#state = { kind: "tunnel", tunnel };
    this.#pair.pending = nothing;
    tunnel.start(pending, behindHead);
  }

  /** Answers for the upstream, or breaks off where part of an answer was sent. */
  onProblem(problem: RelayProblem): void {
    if (this.#state.kind === "closed" || this.#state.kind === "lingering") return;
    const exchange = this.#state.kind === "exchange" ? this.#state.forwarding.exchange : undefined;
    if (exchange?.response !== undefined) return this.onCutShort();
    const view = exchange?.view(this.#pair.client, problem);
    this.#answer(this.#deps.describeProblem(problem, view), exchange?.head);
  }

  onAnswer(answer: Answer): void {
    if (this.#state.kind !== "exchange") return;
    this.#answer(answer, this.#state.forwarding.exchange.head);
  }

  onCutShort(): void {
    if (this.#state.kind !== "exchange") return;
    const { response } = this.#state.forwarding.exchange;
    // Where the end of the connection is the end of the body, an orderly one would make it look whole.
    this.#close(response?.body.isUntilClose ? "reset" : "closed");
  }

  onCut(answer: Answer): void {
    const { kind } = this.#state;
    if (kind !== "exchange" && kind !== "tunnel") return;
    const isAnswered = this.#state.kind === "tunnel" || this.#state.forwarding.exchange.response !== undefined;
    if (isAnswered) this.#close("reset");
    else this.onAnswer(answer);
  }

  guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#onFault(error);
    }
  }

  #onFault(error: unknown): void {
    if (!(error instanceof RelayProblem)) throw error;
    this.onProblem(error);
  }

  // How the connection ends.

  #answer(answer: Answer, head: RequestHead | undefined): void {
    this.#deps.onAnswered?.(answer.status);
    this.#shutDown(encodeAnswer(answer, head));
  }

  /** Sends the last bytes, then gives the client time to read them before the connection goes. */
  #shutDown(lastBytes: Buffer): void {
    if (this.#state.kind === "closed" || this.#state.kind === "lingering") return;
    this.#leave();
    const lingering = new Lingering({
      socket: this.#pair.client,
      lastBytes,
      clientEnded: this.#pair.clientEnded,
      limits: this.#deps.limits,
      clock: this.#deps.clock,
      deadline: this.#deadline,
      onOver: () => this.#close("closed"),
    });
    this.#state = { kind: "lingering", lingering };
  }

  /** Nothing is left. `reset`: the client is to know that it did not get everything. */
  #close(how: "closed" | "reset"): void {
    if (this.#state.kind === "closed") return;
    this.#leave();
    this.#state = { kind: "closed" };
    this.#deadline.clear();
    if (how === "reset") reset(this.#pair.client);
    else this.#pair.client.destroy();
    this.#deps.onClosed(this);
  }

  /** Gives back what is in flight. */
  #leave(): void {
    if (this.#state.kind === "tunnel") this.#state.tunnel.abandon();
    if (this.#state.kind === "exchange") this.#state.forwarding.exchange.abandon();
    this.#pair.pending = nothing;
    this.#pair.dropLink();
  }

  #awaitRequest(nowMs: number): void {
    this.#deadline.setAt("request", nowMs + this.#deps.limits.idleTimeoutMs, this.#onIdle);
  }
}

/** What says itself that it is too long is refused before anything of it is passed on. */
function refuseTooLong(head: RequestHead, bodyBytesMax: number): void {
  const length = head.contentLength ?? 0;
  if (length <= bodyBytesMax) return;
  throw new RelayProblem("body_too_large", `the body may have ${bodyBytesMax} bytes at most; it has ${length}`);
}

/** What is wrong with what the upstream sent is not the client's fault. */
function asUpstreamFault(error: unknown): unknown {
  if (!(error instanceof RelayProblem) || error.kind === "upstream_failed") return error;
  return new RelayProblem("upstream_failed", `the upstream's answer: ${error.message}`, { cause: error });
}

function ignore(): void {}
