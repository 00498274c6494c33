import { connect } from "node:net";
import type { Clock, Timer } from "./clock.ts";
import { readListeningSockets } from "./listening-sockets.ts";

export interface WaitOptions {
  /** Whether the socket with this inode is the one that is waited for. Default: any is. */
  owns?: (inode: string) => boolean;
  /** Ends the wait; it rejects with the signal's reason. */
  signal: AbortSignal;
}

interface Waiter {
  readonly port: number;
  readonly since: number;
  readonly owns: (inode: string) => boolean;
  readonly found: (host: string) => void;
  nextMs: number;
}

/** How often to look, by how long one has been looking: fast while a start is likely, slower later. */
const paces = [
  { untilMs: 2_000, everyMs: 5 },
  { untilMs: 30_000, everyMs: 25 },
  { untilMs: Number.POSITIVE_INFINITY, everyMs: 250 },
] as const;

/**
 * Waits for ports to be listened on. All waits share one look at the kernel's table, which touches no program; where there
 * is no such table (not Linux) it tries to connect instead.
 */
export class ListenProbe {
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves, when `port` is listened on, to an address at which to connect. */
  async waitFor(port: number, { owns = () => true, signal }: WaitOptions): Promise<string> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const now = this.#clock.monotonicMs();
    const waiter: Waiter = { port, since: now, owns, found: resolve, nextMs: now };
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    this.#waiters.add(waiter);
    this.#schedule();
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#waiters.delete(waiter);
      this.#schedule();
    }
  }

  /** Arms the timer for the earliest waiter. */
  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#waiters.size === 0) return;
    const nextMs = Math.min(...[...this.#waiters].map((waiter) => waiter.nextMs));
    this.#timer = this.#clock.after(Math.max(nextMs - this.#clock.monotonicMs(), 0), () => this.#look());
  }

  #look(): void {
    const now = this.#clock.monotonicMs();
    const sockets = readListeningSockets();
    for (const waiter of this.#waiters) {
      if (waiter.nextMs > now) continue;
      waiter.nextMs = now + paceOf(now - waiter.since);
      if (sockets === undefined) tryConnect(waiter);
      const socket = sockets?.find(({ port, inode }) => port === waiter.port && waiter.owns(inode));
      if (socket !== undefined) waiter.found(socket.host);
    }
    this.#schedule();
  }
}

function paceOf(waitedMs: number): number {
  return paces.find(({ untilMs }) => waitedMs < untilMs)?.everyMs ?? paces[0].everyMs;
}

function tryConnect(waiter: Waiter): void {
  const host = "127.0.0.1";
  const socket = connect({ host, port: waiter.port });
  socket.on("error", () => socket.destroy()); // refused: nobody listens yet
  socket.on("connect", () => {
    socket.destroy();
    waiter.found(host);
  });
}
