import type { Socket } from "node:net";
import type { Deadline } from "./deadline.ts";
import type { RelayLimits } from "./limits.ts";

/**
 * A connection whose last bytes are on their way. What the client still sends is read and thrown away for a while, so
 * that it gets to read them: closing a socket with unread bytes resets it (RFC 9112 9.6).
 */
export class Lingering {
  readonly #socket: Socket;
  readonly #bytesMax: number;
  readonly #onOver: () => void;
  #bytes = 0;
  #clientEnded: boolean;

  constructor(parts: {
    socket: Socket;
    lastBytes: Buffer;
    clientEnded: boolean;
    limits: RelayLimits;
    deadline: Deadline;
    onOver: () => void;
  }) {
    const { socket, limits, deadline, onOver } = parts;
    this.#socket = socket;
    this.#bytesMax = limits.lingerBytesMax;
    this.#onOver = onOver;
    this.#clientEnded = parts.clientEnded;
    deadline.set("flush", limits.idleTimeoutMs, onOver);
    socket.resume();
    socket.end(parts.lastBytes, () => {
      if (this.#clientEnded) onOver();
      else if (!socket.destroyed) deadline.set("linger", limits.lingerMs, onOver);
    });
  }

  onClientData(bytes: Buffer): void {
    this.#bytes += bytes.length;
    // Held back, not cut off: it may not have read the answer yet.
    if (this.#bytes > this.#bytesMax) this.#socket.pause();
  }

  onClientEnd(): void {
    this.#clientEnded = true;
    if (this.#socket.writableFinished) this.#onOver();
  }
}
