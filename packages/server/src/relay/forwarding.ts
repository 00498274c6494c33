import type { Clock } from "../lib/clock.ts";
import type { Activity } from "./activity.ts";
import type { BodyFraming } from "./body-framing.ts";
import type { Deadline } from "./deadline.ts";
import { responseFraming } from "./framing.ts";
import type { RelayLimits } from "./limits.ts";
import type { OpenExchange } from "./open-exchange.ts";
import { type Cut, keyOf, type Plan, type RequestHandler, type Upstream } from "./plan.ts";
import { RelayProblem } from "./problem.ts";
import type { RequestHead } from "./request-head.ts";
import type { Answer } from "./response.ts";
import type { ResponseHead } from "./response-head.ts";
import { join, nothing, type SocketPair } from "./socket-pair.ts";
import type { UpstreamCounts } from "./upstream-counts.ts";
import { type UpstreamEvents, UpstreamLink } from "./upstream-link.ts";

export interface ForwardingDeps {
  readonly clock: Clock;
  readonly limits: RelayLimits;
  readonly activity: Activity;
  /** Counts the connections to each upstream, for all client connections together. */
  readonly upstreams: UpstreamCounts;
  readonly onRequest: RequestHandler;
}

/** The connection that a request came by. Each of the first six is the end of the exchange. */
export interface ForwardingOwner extends UpstreamEvents {
  /** The response is whole. `keepsAlive`: both sides would go on. */
  onDone(keepsAlive: boolean): void;
  /** `protocol`: what the upstream says that the connection was upgraded to. */
  onUpgraded(behindHead: Buffer, protocol: string | undefined): void;
  /** The relay is to answer itself. */
  onAnswer(answer: Answer): void;
  onProblem(problem: RelayProblem): void;
  /** Part of a response is all that there will be. */
  onCutShort(): void;
  /** Whoever let the request through ends it, or what it was upgraded to. */
  onCut(answer: Answer): void;
  /** Does `act`; a RelayProblem that it throws ends the exchange. */
  guarded(act: () => void): void;
  /** Bytes of the client may be passed on now. */
  process(): void;
}

type ForwardPlan = Extract<Plan, { kind: "forward" }>;

/** A connection idle for longer may just be closing: only what may be sent twice is sent on it. */
const surelyOpenMs = 1_000;

/** Brings one request to its upstream, and the response back. Its methods throw a RelayProblem. */
export class Forwarding {
  readonly exchange: OpenExchange;
  readonly #pair: SocketPair;
  readonly #deadline: Deadline;
  readonly #deps: ForwardingDeps;
  readonly #owner: ForwardingOwner;

  constructor(
    exchange: OpenExchange,
    parts: { pair: SocketPair; deadline: Deadline; deps: ForwardingDeps; owner: ForwardingOwner },
  ) {
    this.exchange = exchange;
    this.#pair = parts.pair;
    this.#deadline = parts.deadline;
    this.#deps = parts.deps;
    this.#owner = parts.owner;
  }

  start(): void {
    this.#waitWithoutLimit();
    this.#ask(undefined);
    if (this.#pair.clientEnded && !this.exchange.isOver) this.onClientEnd();
  }

  // The way there.

  /** Asks the handler where the request goes, and sends it there. */
  #ask(previousFailure: RelayProblem | undefined): void {
    const { exchange } = this;
    const { attempt } = exchange;
    const view = exchange.view(this.#pair.client, previousFailure);
    const plan = ofHandler(() => this.#deps.onRequest(view));
    if (!(plan instanceof Promise)) return this.#follow(plan, previousFailure);
    const later = (act: () => void) => {
      // The client may have gone meanwhile.
      if (exchange.isOver || exchange.attempt !== attempt) return;
      this.#owner.guarded(act);
      this.#owner.process();
    };
    plan.then(
      (late) => later(() => this.#follow(late, previousFailure)),
      (cause) => later(() => this.#owner.onProblem(notRouted(cause))),
    );
  }

  #follow(plan: Plan, previousFailure: RelayProblem | undefined): void {
    if (plan.kind === "answer") return this.#owner.onAnswer(plan.answer);
    if (previousFailure !== undefined && this.exchange.isBodyBegun) throw previousFailure;
    this.exchange.plan = plan;
    if (plan.onOpen !== undefined) this.#open(plan.onOpen);
    if (this.exchange.isOver) return; // it was cut at once
    if (this.#isLinkFit(plan.upstream)) return this.#sendHead();
    this.#pair.dropLink();
    const { limits, upstreams } = this.#deps;
    const connectionsMax = plan.isUnlimited ? Number.POSITIVE_INFINITY : limits.connectionsPerUpstreamMax;
    const release = upstreams.take(keyOf(plan.upstream), connectionsMax);
    this.#pair.useLink(this.#connect(plan.upstream, release));
    const { connectTimeoutMs } = limits;
    this.#deadline.set("connect", connectTimeoutMs, () => {
      const late = new RelayProblem("upstream_timeout", `connecting took more than ${connectTimeoutMs / 1000} s`);
      this.#owner.guarded(() => this.#upstreamFailed(late));
    });
  }

  #open(onOpen: NonNullable<ForwardPlan["onOpen"]>): void {
    const cut = cutOf(this.#owner);
    this.exchange.opened(ofHandler(() => onOpen(cut)));
  }

  #connect(upstream: Upstream, release: () => void): UpstreamLink {
    try {
      return new UpstreamLink(upstream, { events: this.#owner, release });
    } catch (cause) {
      release();
      throw notRouted(cause); // a port that is none
    }
  }

  #isLinkFit(upstream: Upstream): boolean {
    const { head } = this.exchange;
    const { link } = this.#pair;
    if (link === undefined || !link.leadsTo(upstream) || !link.isReusable) return false;
    return (head.isIdempotent && !head.hasBody) || link.idleMs(this.#deps.clock.monotonicMs()) < surelyOpenMs;
  }

  onUpstreamConnect(): void {
    this.#waitWithoutLimit();
    this.#sendHead();
  }

  #sendHead(): void {
    const { head, plan } = this.exchange;
    const { link } = this.#pair;
    if (link === undefined || plan === undefined) return;
    const bytes = ofHandler(() => plan.head?.(link.isFresh) ?? head.raw);
    // With what there is of the body, which in most cases came along with the head: one write costs less than two.
    const body = link.isFull ? nothing : this.#takeRequestBody();
    this.exchange.sent = link.isFresh ? "first" : "reused";
    link.sendHead(join(bytes, body));
    this.#passOnEnd();
    this.#watch();
  }

  /** Passes on what there is of the request's body. */
  passRequestBody(): void {
    const { exchange } = this;
    const { link } = this.#pair;
    // Read even while it cannot be passed on, so that a client's end is known for an early or a timely one.
    this.#readRequestBody();
    if (!exchange.isBodyWaiting || exchange.sent === undefined || link === undefined) return;
    if (link.isFull) return this.#watch();
    link.write(this.#takeRequestBody());
    this.#passOnEnd();
    this.#watch();
    this.#finishIfDone();
  }

  #readRequestBody(): void {
    this.exchange.readBody(this.#pair.pending, this.#deps.limits);
  }

  /** What there is of the request's body, to be passed on. */
  #takeRequestBody(): Buffer {
    this.#readRequestBody();
    if (!this.exchange.isBodyWaiting) return nothing;
    const { pending } = this.#pair;
    const bytes = this.exchange.takeBody(pending);
    this.#pair.pending = pending.subarray(bytes.length);
    return bytes;
  }

  onUpstreamDrain(): void {
    this.#watch();
  }

  /** The client waits for a response at most: it gets one, but may just as well have gone (RFC 9112 9.6). */
  onClientEnd(): void {
    const { exchange } = this;
    exchange.lease.end();
    this.#readRequestBody();
    if (!exchange.requestBody.isDone) {
      throw new RelayProblem("invalid_request", "the client ended its side in the middle of a request's body");
    }
    this.#passOnEnd();
    if (this.#pair.link?.isConnected !== false) this.#expectBytes(); // else the limit for connecting goes on
  }

  /** Behind the client's last request, an upstream that can make use of it is told that the client has ended. */
  #passOnEnd(): void {
    const { clientEnded, pending, link } = this.#pair;
    const { plan, isRequestSent } = this.exchange;
    if (clientEnded && isRequestSent && pending.length === 0 && plan?.upstream.takesHalfClose) link?.end();
  }

  // The way back.

  onUpstreamData(bytes: Buffer): void {
    const { exchange } = this;
    const { limits, activity } = this.#deps;
    // Bytes that answer no request: the connection cannot be trusted any more.
    if (exchange.sent === undefined) return this.#pair.dropLink();
    if (this.#pair.clientEnded) {
      exchange.takeBack = activity.touch(); // a sign of life, though not a live connection
      this.#expectBytes();
    }
    if (exchange.response !== undefined) return this.#passResponseBody(exchange.response.body, bytes, 0, undefined);
    let next = exchange.readResponseHead(bytes, limits);
    while (next !== undefined) {
      const { head, from } = next;
      if (exchange.isRefusal(head)) {
        return this.#repeat(new RelayProblem("upstream_failed", "the upstream says that it did not act"));
      }
      if (head.status === 101 && !exchange.asksForUpgrade) {
        throw new RelayProblem("upstream_failed", "101 was answered to a request that asked for no upgrade");
      }
      const body = responseFraming(head, exchange.head, limits);
      const changed = this.#changedHead(head);
      if (!head.isInterim) {
        exchange.response = { head, body };
        exchange.mayBodyCome = true; // it waits for no 100 any more
        this.#watch();
        return this.#passResponseBody(body, from, head.length, changed);
      }
      this.#pair.toClient(changed ?? head.raw);
      const rest = from.subarray(head.length);
      if (head.status === 101) return this.#owner.onUpgraded(rest, head.header("upgrade"));
      if (head.status === 100) exchange.mayBodyCome = true;
      this.#watch();
      next = exchange.readResponseHead(rest, limits);
    }
  }

  /** The head to send back, where it is another one. */
  #changedHead(head: ResponseHead): Buffer | undefined {
    const { onResponseHead } = this.exchange.plan ?? {};
    return onResponseHead === undefined ? undefined : ofHandler(() => onResponseHead(head));
  }

  /** Passes on what `bytes` have of the response's body, from `start` on, with the head before it, as it came or `changed`. */
  #passResponseBody(body: BodyFraming, bytes: Buffer, start: number, changed: Buffer | undefined): void {
    const end = body.read(bytes, start);
    if (changed !== undefined) this.#pair.toClient(join(changed, bytes.subarray(start, end)));
    else this.#pair.toClient(end === bytes.length ? bytes : bytes.subarray(0, end));
    if (end < bytes.length) this.#pair.dropLink(); // more than was announced: nothing more is taken from there
    this.#finishIfDone();
  }

  onClientDrain(): void {
    this.#pair.link?.resume();
    if (this.#pair.clientEnded) this.#expectBytes();
  }

  // How it ends.

  #finishIfDone(): void {
    const { response, isRequestSent, head } = this.exchange;
    if (response === undefined || !response.body.isDone) return;
    const keepsAlive = head.keepsAlive && response.head.keepsAlive && !isInTooNewCoding(response.head, head);
    // An early answer on a connection that goes on: the rest of the request is still to be passed on, where it can be.
    if (!isRequestSent && keepsAlive && this.#pair.link !== undefined) return this.#watch();
    this.#owner.onDone(keepsAlive && isRequestSent);
  }

  /** The upstream has ended: as it should, too early, or too late to matter. */
  onUpstreamOver(cause: Error | undefined): void {
    const { response, sent } = this.exchange;
    // It had served earlier requests only.
    if (sent === undefined && this.#pair.link?.isConnected) return this.#pair.dropLink();
    if (response === undefined) {
      const how = cause === undefined ? "closed the connection" : `failed (${reasonOf(cause)})`;
      const message = `the upstream ${how} before it answered`;
      return this.#upstreamFailed(new RelayProblem("upstream_failed", message, { cause }));
    }
    // Whole, if the upstream merely does not take the rest of the request.
    const isWhole = response.body.isDone || (response.body.isUntilClose && cause === undefined);
    if (isWhole) this.#owner.onDone(false);
    else this.#owner.onCutShort();
  }

  #upstreamFailed(problem: RelayProblem): void {
    if (this.exchange.mayRepeat()) this.#repeat(problem);
    else this.#owner.onProblem(problem);
  }

  #repeat(problem: RelayProblem): void {
    this.#pair.dropLink();
    this.#waitWithoutLimit();
    this.exchange.restart();
    this.#ask(problem);
  }

  // What is waited for.

  /** A response may take any time, if somebody waits for it. */
  #waitWithoutLimit(): void {
    if (this.#pair.clientEnded) this.#expectBytes();
    else this.#deadline.clear();
  }

  /** Sets the limit for what the exchange waits for now, once its head was sent. */
  #watch(): void {
    const { exchange } = this;
    const { limits } = this.#deps;
    if (this.#pair.clientEnded || exchange.sent === undefined) return;
    const isAnswering = exchange.response !== undefined && !exchange.response.body.isDone;
    if (isAnswering) this.#deadline.clear();
    else if (!exchange.requestBody.isDone) this.#expectBody();
    else if (exchange.asksForUpgrade) this.#expectAnswer("upgrade", limits.upgradeTimeoutMs);
    else if (limits.responseTimeoutMs > 0) this.#expectAnswer("response", limits.responseTimeoutMs);
    else this.#deadline.clear();
  }

  /** The client is to send more of its body, unless it waits for leave (100) or for the upstream to take more. */
  #expectBody(): void {
    const { bodyTimeoutMs } = this.#deps.limits;
    if (!this.exchange.mayBodyCome || this.#pair.link?.isFull) return this.#deadline.clear();
    this.#deadline.set("body", bodyTimeoutMs, () => {
      const message = `no byte of the request's body came for ${bodyTimeoutMs / 1000} s`;
      this.#owner.onProblem(new RelayProblem("timeout", message));
    });
  }

  #expectAnswer(what: "upgrade" | "response", timeoutMs: number): void {
    this.#deadline.setOnce(what, timeoutMs, () => {
      const message = `the upstream did not answer within ${timeoutMs / 1000} s`;
      this.#owner.onProblem(new RelayProblem("upstream_timeout", message));
    });
  }

  /** The client sends no more. If the upstream is silent too for a while, nobody is there. */
  #expectBytes(): void {
    this.#deadline.set("bytes", this.#deps.limits.halfClosedSilenceMs, () => this.#owner.onCutShort());
  }
}

/** Holds nothing but the connection: it may be kept for as long as that is open, and the request's head need not be. */
function cutOf(owner: ForwardingOwner): Cut {
  return (answer) => owner.onCut(answer);
}

/** A client of HTTP/1.0 knows no chunks (RFC 9112 6.1): what it gets, it may read to the end of the connection. */
function isInTooNewCoding(response: ResponseHead, { minorVersion }: RequestHead): boolean {
  return minorVersion === 0 && response.headers("transfer-encoding").length > 0;
}

/** Calls what the handler gave; what it throws ends this request alone. */
function ofHandler<T>(call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw notRouted(cause);
  }
}

function notRouted(cause: unknown): RelayProblem {
  return new RelayProblem("upstream_failed", "the request could not be routed", { cause });
}

/** An error of several attempts (AggregateError) has a code and no message. */
function reasonOf(error: NodeJS.ErrnoException): string {
  return error.message || error.code || error.name;
}
