import type { Socket } from "node:net";
import type { Activity, ActivityLease } from "./activity.ts";
import type { Deadline } from "./deadline.ts";
import type { RelayLimits } from "./limits.ts";
import type { UpstreamLink } from "./upstream-link.ts";

export interface TunnelParts {
  readonly client: Socket;
  readonly link: UpstreamLink;
  readonly lease: ActivityLease;
  readonly activity: Activity;
  readonly limits: RelayLimits;
  readonly deadline: Deadline;
  /** Whether the client had sent its end before there was a tunnel. */
  readonly clientEnded: boolean;
  /** Told when there is no tunnel any more. */
  readonly release: (() => void) | undefined;
  /** Nothing is left to be copied. `reset`: a side broke off, and the other is to be told so. */
  readonly onOver: (how: "closed" | "reset") => void;
}

/** An upgraded connection: copies both ways, and ends each way by itself. */
export class Tunnel {
  readonly #parts: TunnelParts;
  #clientEnded = false;
  #clientClosed = false;
  #upstreamEnded = false;
  #upstreamClosed = false;
  /** Undoes what the last bytes for a client that had half-closed counted for. */
  #takeBack: () => void = () => {};

  constructor(parts: TunnelParts) {
    this.#parts = parts;
  }

  /** Begins with what came before it, or right behind the 101. */
  start(fromClient: Buffer, fromUpstream: Buffer): void {
    const { client, clientEnded, deadline } = this.#parts;
    deadline.clear();
    client.resume();
    if (fromUpstream.length > 0) this.onUpstreamData(fromUpstream);
    if (fromClient.length > 0) this.onClientData(fromClient);
    if (clientEnded) this.onClientEnd();
  }

  /** The client has gone; what is left of the tunnel holds nothing. */
  abandon(): void {
    this.#parts.lease.end();
    this.#parts.release?.();
  }

  onClientData(bytes: Buffer): void {
    if (!this.#parts.link.write(bytes)) this.#parts.client.pause();
    if (this.#upstreamEnded) this.#expectBytes();
  }

  onClientDrain(): void {
    this.#parts.link.resume();
    if (this.#clientEnded || this.#upstreamEnded) this.#expectBytes();
  }

  onClientEnd(): void {
    this.#clientEnded = true;
    this.#parts.lease.end();
    this.#parts.link.end();
    this.#expectBytes();
  }

  onClientClosed(hadError: boolean): void {
    this.#clientClosed = true;
    if (hadError) this.#takeBack();
    const isInOrder = !hadError && this.#clientEnded && this.#upstreamEnded;
    // What is still on its way to the upstream gets there; its close is the last event then.
    if (!isInOrder || this.#upstreamClosed) this.#parts.onOver("closed");
  }

  onUpstreamData(bytes: Buffer): void {
    if (!this.#parts.client.write(bytes)) this.#parts.link.pause();
    if (!this.#clientEnded) return;
    // A sign of life, though not a live connection.
    this.#takeBack = this.#parts.activity.touch();
    this.#expectBytes();
  }

  onUpstreamDrain(): void {
    this.#parts.client.resume();
    if (this.#clientEnded || this.#upstreamEnded) this.#expectBytes();
  }

  onUpstreamEnd(): void {
    this.#upstreamEnded = true;
    this.#parts.client.end();
    this.#expectBytes();
  }

  onUpstreamClosed(cause: Error | undefined): void {
    this.#upstreamClosed = true;
    if (cause !== undefined) this.#parts.onOver("reset");
    // Without a cause both have ended. What is still on its way to the client gets there; its close is the last event.
    else if (this.#clientClosed) this.#parts.onOver("closed");
  }

  /** One side sends no more. If the other is silent too for a while, nobody is there. */
  #expectBytes(): void {
    this.#parts.deadline.set("bytes", this.#parts.limits.halfClosedSilenceMs, () => this.#parts.onOver("closed"));
  }
}
