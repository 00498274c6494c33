import type { Socket } from "node:net";
import type { UpstreamLink } from "./upstream-link.ts";

export const nothing: Buffer = Buffer.alloc(0);

/** Both as one, so that they go in one write; copied only where one does not lie right behind the other. */
export function join(first: Buffer, second: Buffer): Buffer {
  if (first.length === 0) return second;
  if (second.length === 0) return first;
  const isBehind = second.buffer === first.buffer && second.byteOffset === first.byteOffset + first.length;
  if (!isBehind) return Buffer.concat([first, second]);
  return Buffer.from(first.buffer, first.byteOffset, first.length + second.length);
}

/** A client's socket, the one upstream connection that belongs to it, and the bytes that wait between them. */
export class SocketPair {
  readonly client: Socket;
  /** Bytes of the client that were not passed on yet. */
  pending = nothing;
  /** The client sends no more. */
  clientEnded = false;
  readonly #pendingBytesMax: number;
  #link: UpstreamLink | undefined;

  constructor(client: Socket, { pendingBytesMax }: { pendingBytesMax: number }) {
    this.client = client;
    this.#pendingBytesMax = pendingBytesMax;
  }

  get link(): UpstreamLink | undefined {
    return this.#link;
  }

  useLink(link: UpstreamLink): void {
    this.#link?.destroy();
    this.#link = link;
  }

  dropLink(): void {
    this.#link?.destroy();
    this.#link = undefined;
    this.holdBack(); // it may have been what the client was held back for
  }

  toClient(bytes: Buffer): void {
    if (bytes.length > 0 && !this.client.write(bytes)) this.#link?.pause();
  }

  /** Reads no further from a client that sends more than can be passed on; goes on once it can. */
  holdBack(): void {
    if (this.pending.length > this.#pendingBytesMax || this.#link?.isFull) this.client.pause();
    else if (this.client.isPaused()) this.client.resume();
  }

  /**
   * A client that is held back, or has half-closed, is not read from, so nothing would tell that it has gone: a write of
   * nothing fails once it has reset the connection, or its system has forgotten it and says so to a keep-alive probe.
   */
  probe(): void {
    const { client, clientEnded } = this;
    if ((client.isPaused() || clientEnded) && client.writableLength === 0 && client.writable) client.write(nothing);
  }
}
