import type { Socket } from "node:net";
import type { Clock } from "../lib/clock.ts";
import type { Activity, ActivityLease } from "./activity.ts";
import { DataLease } from "./data-lease.ts";
import type { Deadline } from "./deadline.ts";
import type { RelayLimits } from "./limits.ts";
import type { UpstreamLink } from "./upstream-link.ts";

export interface TunnelParts {
  readonly client: Socket;
  readonly link: UpstreamLink;
  /** What counts the connection. */
  readonly lease: ActivityLease;
  readonly activity: Activity;
  readonly clock: Clock;
  /** What it was upgraded to, as the upstream says. */
  readonly protocol: string | undefined;
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
  readonly #lease: ActivityLease;
  /** The same, where a silent connection does not count; else nobody looks at what passes. */
  readonly #dataLease: DataLease | undefined;
  #clientEnded = false;
  #clientClosed = false;
  #upstreamEnded = false;
  #upstreamClosed = false;
  /** Undoes what the last bytes for a client that had half-closed counted for. */
  #takeBack = nothingToTakeBack;

  constructor(parts: TunnelParts) {
    this.#parts = parts;
    this.#dataLease = dataLeaseOf(parts);
    this.#lease = this.#dataLease ?? parts.lease;
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
    this.#lease.end();
    this.#parts.release?.();
  }

  /** To be called now and then: does what is due. */
  tick(nowMs: number): void {
    this.#dataLease?.tick(nowMs);
  }

  onClientData(bytes: Buffer): void {
    this.#dataLease?.onClientBytes(bytes);
    if (!this.#parts.link.write(bytes)) this.#parts.client.pause();
    if (this.#upstreamEnded) this.#expectBytes();
  }

  onClientDrain(): void {
    this.#dataLease?.onData(); // what was read a while ago has gone through only now
    this.#parts.link.resume();
    if (this.#clientEnded || this.#upstreamEnded) this.#expectBytes();
  }

  onClientEnd(): void {
    this.#clientEnded = true;
    this.#lease.end();
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
    this.#dataLease?.onUpstreamBytes(bytes);
    if (!this.#parts.client.write(bytes)) this.#parts.link.pause();
    if (!this.#clientEnded) return;
    // A sign of life, though not a live connection.
    this.#takeBack = this.#parts.activity.touch();
    this.#expectBytes();
  }

  onUpstreamDrain(): void {
    this.#dataLease?.onData();
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

function dataLeaseOf({ clock, activity, lease, protocol, limits }: TunnelParts): DataLease | undefined {
  const silentMs = limits.silentConnectionMs;
  if (silentMs === 0) return undefined;
  return new DataLease({ clock, activity, lease, silentMs, isWebSocket: protocol?.toLowerCase() === "websocket" });
}

function nothingToTakeBack(): void {}
