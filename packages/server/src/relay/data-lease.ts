import type { Clock } from "../lib/clock.ts";
import type { Activity, ActivityLease } from "./activity.ts";
import { WebSocketFrames } from "./websocket-frames.ts";

export interface DataLeaseParts {
  readonly clock: Clock;
  readonly activity: Activity;
  /** What counts the connection so far. */
  readonly lease: ActivityLease;
  /** How long a connection without data counts. */
  readonly silentMs: number;
  /** Whether pings, pongs and closes are to be told from data; of any other protocol, each byte is data. */
  readonly isWebSocket: boolean;
}

/**
 * Counts an upgraded connection for as long as it carries data in either direction: one that has been silent for a while is
 * over, as if it had been closed then, and counts anew with the next data.
 */
export class DataLease implements ActivityLease {
  readonly #clock: Clock;
  readonly #activity: Activity;
  readonly #silentMs: number;
  readonly #clientFrames: WebSocketFrames | undefined;
  readonly #upstreamFrames: WebSocketFrames | undefined;
  /** Undefined while it does not count. */
  #lease: ActivityLease | undefined;
  #lastDataMs: number;
  #isOver = false;

  constructor({ clock, activity, lease, silentMs, isWebSocket }: DataLeaseParts) {
    this.#clock = clock;
    this.#activity = activity;
    this.#lease = lease;
    this.#silentMs = silentMs;
    this.#lastDataMs = clock.monotonicMs();
    this.#clientFrames = isWebSocket ? new WebSocketFrames() : undefined;
    this.#upstreamFrames = isWebSocket ? new WebSocketFrames() : undefined;
  }

  onClientBytes(bytes: Buffer): void {
    if (this.#clientFrames?.read(bytes) !== false) this.onData();
  }

  onUpstreamBytes(bytes: Buffer): void {
    if (this.#upstreamFrames?.read(bytes) !== false) this.onData();
  }

  /** There was data just now. */
  onData(): void {
    this.#lastDataMs = this.#clock.monotonicMs();
    if (!this.#isOver) this.#lease ??= this.#activity.begin();
  }

  /** To be called now and then: does what is due. */
  tick(nowMs: number): void {
    const silentAtMs = this.#lastDataMs + this.#silentMs;
    if (nowMs < silentAtMs) return;
    this.#lease?.end(silentAtMs);
    this.#lease = undefined;
  }

  /** It does not count any more, whatever it carries. */
  end(atMs?: number): void {
    this.#isOver = true;
    this.#lease?.end(atMs);
    this.#lease = undefined;
  }
}
