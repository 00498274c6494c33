import type { InProcessSocket } from "../lib/in-process-socket.ts";
import { keyOf, type Upstream } from "./plan.ts";
import { reset } from "./reset.ts";
import { UpstreamSocket } from "./upstream-socket.ts";

export interface UpstreamEvents {
  onUpstreamConnect(): void;
  onUpstreamData(bytes: Buffer): void;
  /** The upstream sends no more. */
  onUpstreamEnd(): void;
  /** The upstream takes bytes again. */
  onUpstreamDrain(): void;
  /** Nothing more will come or go. Not called for a link that was destroyed by its owner. */
  onUpstreamClosed(cause: Error | undefined): void;
}

/** One connection to an upstream, for one client connection. */
export class UpstreamLink {
  readonly #upstream: Upstream;
  readonly #socket: UpstreamSocket | InProcessSocket;
  #isConnected = false;
  #requests = 0;
  #idleSinceMs = 0;
  #isOver = false;
  #isDestroyed = false;
  readonly #release: () => void;

  /** `release` is called once, when nothing is left of it. */
  constructor(upstream: Upstream, { events, release }: { events: UpstreamEvents; release: () => void }) {
    this.#upstream = upstream;
    this.#release = release;
    this.#socket = connectTo(upstream, (bytes) => {
      if (!this.#isDestroyed) events.onUpstreamData(bytes);
    });
    let cause: Error | undefined;
    this.#socket
      .on("error", (error) => {
        cause = error;
      })
      .on("connect", () => {
        this.#isConnected = true;
        events.onUpstreamConnect();
      })
      .on("drain", () => events.onUpstreamDrain())
      .on("end", () => {
        this.#isOver = true;
        const { writeError } = this.#socket;
        if (writeError === undefined) events.onUpstreamEnd();
        else this.#socket.destroy(writeError); // close follows
      })
      .on("close", () => {
        this.#isOver = true;
        release();
        events.onUpstreamClosed(cause);
      });
  }

  /** Whether a request to this upstream may go over it. */
  leadsTo(upstream: Upstream): boolean {
    return upstream === this.#upstream || keyOf(upstream) === keyOf(this.#upstream);
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Whether no request was sent on it yet. */
  get isFresh(): boolean {
    return this.#requests === 0;
  }

  /** Whether bytes wait in it for the upstream to take them. */
  get isFull(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** Whether another request may go over it. */
  get isReusable(): boolean {
    const { destroyed, writeError } = this.#socket;
    return this.#isConnected && !this.#isOver && !destroyed && writeError === undefined;
  }

  /** How long it has waited for a request. */
  idleMs(nowMs: number): number {
    return nowMs - this.#idleSinceMs;
  }

  sendHead(head: Buffer): void {
    this.#requests += 1;
    this.#socket.write(head);
  }

  write(bytes: Buffer): boolean {
    return this.#socket.write(bytes);
  }

  /** The exchange on it is over. */
  rest(nowMs: number): void {
    this.#idleSinceMs = nowMs;
  }

  /** Sends no more. */
  end(): void {
    this.#socket.end();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Its client has broken off. To one that was told of its end already (FIN), nothing but a reset says more. */
  breakOff(): void {
    if (this.#socket.writableEnded) reset(this.#socket);
  }

  /** Ends it now; none of its events is told any more. */
  destroy(): void {
    this.#isDestroyed = true;
    this.#release();
    this.#socket.removeAllListeners();
    this.#socket.on("error", ignore); // an error that was on its way
    this.#socket.destroy();
  }
}

function connectTo(upstream: Upstream, onBytes: (bytes: Buffer) => void): UpstreamSocket | InProcessSocket {
  const { host, port, connect } = upstream;
  if (connect !== undefined) return connect().on("data", onBytes);
  const options = {
    host,
    port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true, // so that an upstream that vanished without a word does not hold an upgraded connection for ever
    keepAliveInitialDelay: 30_000,
  };
  return new UpstreamSocket(options, onBytes);
}

function ignore(): void {}
