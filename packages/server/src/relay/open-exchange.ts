import type { Socket } from "node:net";
import type { ActivityLease } from "./activity.ts";
import type { BodyFraming } from "./body-framing.ts";
import { type HeadLimits, hasWholeHead, parseResponseHead } from "./parse-head.ts";
import type { Exchange, Plan } from "./plan.ts";
import { RelayProblem } from "./problem.ts";
import type { RequestHead } from "./request-head.ts";
import type { ResponseHead } from "./response-head.ts";

const repeatsMax = 2;

/** A request from its head to the last byte of its response. */
export class OpenExchange {
  readonly head: RequestHead;
  readonly requestBody: BodyFraming;
  readonly lease: ActivityLease;
  attempt = 0;
  plan: Extract<Plan, { kind: "forward" }> | undefined;
  /** How its head was sent, if it was: as the first on its connection, or on one that had served others. */
  sent: "first" | "reused" | undefined;
  /** Whether its client has no reason to keep its body back: it may wait for a 100 (RFC 9110 10.1.1). */
  mayBodyCome: boolean;
  /** What the last bytes for a client that had half-closed counted for, undone: it turned out to have gone. */
  takeBack = nothingToTakeBack;
  response: { readonly head: ResponseHead; readonly body: BodyFraming } | undefined;
  /** Bytes of its body that came, and wait to be passed on. */
  #bodyBytesWaiting = 0;
  #bodyBytesSent = 0;
  /** What came of a response's head that is not whole yet. */
  #partialHead: Buffer | undefined;
  /** Made only where somebody asks for the signal: most requests never do. */
  #gone: AbortController | undefined;
  #isOver = false;
  /** Tells whoever could cut it that nothing is left to cut. */
  #release: (() => void) | undefined;

  constructor(parts: Pick<OpenExchange, "head" | "requestBody" | "lease">) {
    this.head = parts.head;
    this.requestBody = parts.requestBody;
    this.lease = parts.lease;
    this.mayBodyCome = parts.requestBody.isDone || !parts.head.hasToken("expect", "100-continue");
  }

  /** What the handler gets to see. */
  view(client: Socket, previousFailure: RelayProblem | undefined): Exchange {
    return new ExchangeView(this, client, previousFailure);
  }

  /** Whether its client is gone, or was answered by the relay. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether all of the request was passed on. */
  get isRequestSent(): boolean {
    return this.sent !== undefined && this.requestBody.isDone && this.#bodyBytesWaiting === 0;
  }

  /** Whether part of its body waits to be passed on. */
  get isBodyWaiting(): boolean {
    return this.#bodyBytesWaiting > 0;
  }

  /** Whether part of its body was passed on, which is not kept. */
  get isBodyBegun(): boolean {
    return this.#bodyBytesSent > 0;
  }

  /**
   * Reads on in its body, of which `pending` begins with what waits. Throws a RelayProblem where it is malformed, or has more
   * than `bodyBytesMax` bytes (0: any).
   */
  readBody(pending: Buffer, { bodyBytesMax }: { bodyBytesMax: number }): void {
    this.#bodyBytesWaiting = this.requestBody.read(pending, this.#bodyBytesWaiting);
    if (bodyBytesMax === 0 || this.#bodyBytesSent + this.#bodyBytesWaiting <= bodyBytesMax) return;
    throw new RelayProblem("body_too_large", `the request's body has more than ${bodyBytesMax} bytes`);
  }

  /** What waits of its body, which `pending` begins with: it counts as passed on. */
  takeBody(pending: Buffer): Buffer {
    const bytes = pending.subarray(0, this.#bodyBytesWaiting);
    this.#bodyBytesSent += bytes.length;
    this.#bodyBytesWaiting = 0;
    return bytes;
  }

  /** Whether the upstream was asked for an upgrade. */
  get asksForUpgrade(): boolean {
    return this.head.upgrade !== undefined && this.plan?.passesUpgrade !== false;
  }

  /** The next head of a response, once it is whole, with the bytes that begin with it. Throws a RelayProblem. */
  readResponseHead(bytes: Buffer, limits: HeadLimits): { head: ResponseHead; from: Buffer } | undefined {
    const from = this.#partialHead === undefined ? bytes : Buffer.concat([this.#partialHead, bytes]);
    const isWhole = hasWholeHead(from, limits);
    this.#partialHead = isWhole || from.length === 0 ? undefined : from;
    return isWhole ? { head: parseResponseHead(from, limits), from } : undefined;
  }

  /** Nothing that could have been acted on may be sent twice, unless twice means no more than once. */
  mayRepeat(): boolean {
    if (this.attempt >= repeatsMax || this.isBodyBegun) return false;
    // A connection that had served others may have been closing already; a new one was not.
    return this.sent === undefined || (this.sent === "reused" && this.head.isIdempotent);
  }

  /** Whether the upstream says itself that it did not act (421, RFC 9110 15.5.20), and something else may be tried. */
  isRefusal(head: ResponseHead): boolean {
    if (this.attempt >= repeatsMax) return false;
    const { isRefusal } = this.plan ?? {};
    return isRefusal === undefined ? head.status === 421 && !this.isBodyBegun : isRefusal(head);
  }

  /** Back to where the handler is asked. */
  restart(): void {
    this.takeRelease()?.();
    this.attempt += 1;
    this.plan = undefined;
    this.sent = undefined;
    this.#partialHead = undefined;
  }

  /** Its client is gone, or was answered by the relay. */
  abandon(): void {
    this.#isOver = true;
    this.lease.end();
    this.takeRelease()?.();
    this.#gone?.abort();
  }

  /** It can be cut by somebody now, who is to be told when it is over. */
  opened(release: () => void): void {
    if (this.#isOver) release();
    else this.#release = release;
  }

  /** What is to be called when it is over, for whoever takes it on: an upgraded connection keeps nothing else of it. */
  takeRelease(): (() => void) | undefined {
    const release = this.#release;
    this.#release = undefined;
    return release;
  }

  /** Aborted when its client has gone. */
  get signal(): AbortSignal {
    this.#gone ??= new AbortController();
    if (this.#isOver) this.#gone.abort();
    return this.#gone.signal;
  }
}

/** One attempt, as the handler sees it. What costs something and is rarely asked for is got when it is. */
class ExchangeView implements Exchange {
  readonly head: RequestHead;
  readonly attempt: number;
  readonly previousFailure: RelayProblem | undefined;
  readonly #exchange: OpenExchange;
  readonly #client: Socket;

  constructor(exchange: OpenExchange, client: Socket, previousFailure: RelayProblem | undefined) {
    this.head = exchange.head;
    this.attempt = exchange.attempt;
    this.previousFailure = previousFailure;
    this.#exchange = exchange;
    this.#client = client;
  }

  get clientAddress(): string {
    return this.#client.remoteAddress ?? "";
  }

  get signal(): AbortSignal {
    return this.#exchange.signal;
  }
}

function nothingToTakeBack(): void {}
