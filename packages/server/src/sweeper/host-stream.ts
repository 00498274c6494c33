import { deadlines } from "../core/deadlines.ts";
import type { RelayHost, RelayHostState } from "../core/relay-host.ts";
import { Backoff } from "../lib/backoff.ts";
import type { Clock, Timer } from "../lib/clock.ts";

export interface HostStreamOptions {
  readonly clock: Clock;
  /** The host where it is now; undefined while there is none. */
  readonly open: () => RelayHost | undefined;
  /** The host said more. */
  readonly onState: () => void;
  /** Nothing is known of the host any more. `isLong`, once, where that has been so for a while. */
  readonly onLost: (cause: Error, loss: { readonly isLong: boolean }) => void;
}

/** What one backend's relay host says. A stream that is lost is dialled again, with growing waits. */
export class HostStream {
  readonly #options: HostStreamOptions;
  readonly #backoff = new Backoff({ firstMs: deadlines.streamRetryFirstMs, mostMs: deadlines.streamRetryMostMs });
  #host: RelayHost | undefined;
  /** What the host said last, and when: only its saying more, or time, changes it. */
  #heard: { readonly state: RelayHostState; readonly atMs: number } | undefined;
  #unwatch: (() => void) | undefined;
  #retry: Timer | undefined;
  /** Since when nothing has been heard, though it was dialled, and whether that was told as long. */
  #loss: { readonly sinceMs: number; isTold: boolean } | undefined;

  constructor(options: HostStreamOptions) {
    this.#options = options;
  }

  /** The host that is listened to. */
  get host(): RelayHost | undefined {
    return this.#host;
  }

  /** As last heard; undefined while nothing is known. */
  get heard(): { readonly state: RelayHostState; readonly atMs: number } | undefined {
    return this.#heard;
  }

  /** Listens to the host where it is now. */
  connect(): void {
    this.close();
    const { open, clock, onState } = this.#options;
    this.#host = open();
    if (this.#host === undefined) return this.#connectLater();
    this.#unwatch = this.#host.watch({
      onState: (state) => {
        this.#backoff.reset();
        this.#loss = undefined;
        this.#heard = { state, atMs: clock.monotonicMs() };
        onState();
      },
      onLost: (cause) => {
        this.close();
        this.#tellLoss(cause);
        this.#connectLater();
      },
    });
  }

  /** Listens no more. What was heard is forgotten. */
  close(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#host = undefined;
    this.#heard = undefined;
    this.#retry?.cancel();
  }

  #tellLoss(cause: Error): void {
    const { clock, onLost } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#loss ??= { sinceMs: nowMs, isTold: false };
    const isLong = !this.#loss.isTold && nowMs - this.#loss.sinceMs >= deadlines.streamLossMs;
    this.#loss.isTold ||= isLong;
    onLost(cause, { isLong });
  }

  #connectLater(): void {
    this.#retry = this.#options.clock.after(this.#backoff.next(), () => this.connect());
  }
}
