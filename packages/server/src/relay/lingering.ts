import type { Socket } from "node:net";
import type { Clock } from "../lib/clock.ts";
import type { Deadline } from "./deadline.ts";
import type { RelayLimits } from "./limits.ts";

/**
 * A connection whose last bytes are on their way. What the client still sends is read and thrown away for a while, so
 * that it gets to read them: closing a socket with unread bytes resets it (RFC 9112 9.6).
 */
export class Lingering {
  readonly #socket: Socket;
  readonly #limits: RelayLimits;
  readonly #clock: Clock;
  readonly #deadline: Deadline;
  readonly #onOver: () => void;
  #bytes = 0;
  /** Set once the last bytes have left. */
  #untilMs: number | undefined;
  #clientEnded: boolean;

  constructor(parts: {
    socket: Socket;
    lastBytes: Buffer;
    clientEnded: boolean;
    limits: RelayLimits;
    clock: Clock;
    deadline: Deadline;
    onOver: () => void;
  }) {
    const { socket, limits, clock, deadline, onOver } = parts;
    this.#socket = socket;
    this.#limits = limits;
    this.#clock = clock;
    this.#deadline = deadline;
    this.#onOver = onOver;
    this.#clientEnded = parts.clientEnded;
    deadline.set("flush", limits.idleTimeoutMs, onOver);
    socket.resume();
    socket.end(parts.lastBytes, () => this.#onFlushed());
  }

  onClientData(bytes: Buffer): void {
    this.#bytes += bytes.length;
    // Held back, not cut off: it may not have read the answer yet.
    if (this.#bytes > this.#limits.lingerBytesMax) this.#socket.pause();
    else this.#expectMore();
  }

  onClientEnd(): void {
    this.#clientEnded = true;
    if (this.#socket.writableFinished) this.#onOver();
  }

  #onFlushed(): void {
    if (this.#clientEnded) return this.#onOver();
    if (this.#socket.destroyed) return;
    this.#untilMs = this.#clock.monotonicMs() + this.#limits.lingerMs;
    this.#expectMore();
  }

  #expectMore(): void {
    if (this.#untilMs === undefined) return;
    const leftMs = this.#untilMs - this.#clock.monotonicMs();
    this.#deadline.set("linger", Math.min(leftMs, this.#limits.lingerSilenceMs), this.#onOver);
  }
}
