import { connect } from "node:net";
import type { Clock, Timer } from "./clock.ts";
import { type ListeningSocket, readListeningSockets } from "./listening-sockets.ts";

export interface WaitOptions {
  /** Whether the socket with this inode is the one that is waited for. Default: any is. */
  owns?: (inode: string) => boolean;
  /**
   * Something cheap to read that changes when a socket is made: the kernel's table is read when it does, and now and then.
   * Default: only now and then.
   */
  sign?: () => string;
  /** How often the kernel's table is read at least. Default: 250. */
  tableEveryMs?: number;
  /** Called once, when a socket that is not owned listens on the port at two looks in a row. The wait goes on. */
  onTaken?: () => void;
  /** Ends the wait; it rejects with the signal's reason. */
  signal: AbortSignal;
}

interface Waiter {
  readonly wants: (port: number) => boolean;
  /** Where to try to connect, where that is the only way to find out; undefined: nowhere. */
  readonly port: number | undefined;
  readonly since: number;
  readonly owns: (inode: string) => boolean;
  readonly sign: () => string;
  readonly tableEveryMs: number;
  readonly found: (socket: Pick<ListeningSocket, "host" | "port">) => void;
  readonly onTaken: () => void;
  /** At how many looks in a row somebody else listened. */
  takenLooks: number;
  lastSign: string;
  nextSignMs: number;
  nextTableMs: number;
}

/** How often to look for a sign, by how long one has been looking: fast while a start is likely, slower later. */
const paces = [
  { untilMs: 2_000, everyMs: 5 },
  { untilMs: 30_000, everyMs: 25 },
  { untilMs: Number.POSITIVE_INFINITY, everyMs: 100 },
] as const;

/** Making its table costs the kernel milliseconds on a large machine, whatever is in it. */
const tableEveryMsByDefault = 250;

/** After a look there is none for so many times as long as it took, however many are waited for: all else has to go on. */
const restPerLook = 4;

/** Who owns a socket cannot be told while it is being made or handed on: one look proves nothing. */
const looksUntilTaken = 2;

/**
 * Waits for ports to be listened on. All waits share one look at the kernel's table, which touches no program; where there
 * is no such table (not Linux) it tries to connect instead.
 */
export class ListenProbe {
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();
  #timer: Timer | undefined;
  /** When there may be another look. */
  #restUntilMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves, when `port` is listened on, to an address at which to connect. */
  async waitFor(port: number, options: WaitOptions): Promise<string> {
    return (await this.#wait({ wants: (each) => each === port, port }, options)).host;
  }

  /** Resolves to the first port that is listened on, but for those that are `others`. Never, where that cannot be told. */
  waitForAny(options: WaitOptions & { others: readonly number[] }): Promise<Pick<ListeningSocket, "host" | "port">> {
    return this.#wait({ wants: (port) => !options.others.includes(port), port: undefined }, options);
  }

  async #wait(
    wanted: Pick<Waiter, "wants" | "port">,
    { owns = () => true, sign, tableEveryMs = tableEveryMsByDefault, onTaken = () => {}, signal }: WaitOptions,
  ): Promise<Pick<ListeningSocket, "host" | "port">> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Pick<ListeningSocket, "host" | "port">>();
    const now = this.#clock.monotonicMs();
    const waiter: Waiter = {
      ...wanted,
      owns,
      sign: sign ?? (() => ""),
      tableEveryMs,
      found: resolve,
      onTaken,
      takenLooks: 0,
      since: now,
      lastSign: "",
      nextSignMs: now,
      nextTableMs: sign === undefined ? now : now + tableEveryMs,
    };
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
    const nextMs = Math.min(...[...this.#waiters].map((waiter) => waiter.nextSignMs));
    const dueMs = Math.max(nextMs, this.#restUntilMs);
    this.#timer = this.#clock.after(Math.max(dueMs - this.#clock.monotonicMs(), 0), () => this.#look());
  }

  #look(): void {
    const now = this.#clock.monotonicMs();
    const hopeful = [...this.#waiters].filter((waiter) => waiter.nextSignMs <= now && isWorthALook(waiter, now));
    if (hopeful.length > 0) lookAtTable(hopeful);
    const tookMs = this.#clock.monotonicMs() - now;
    this.#restUntilMs = now + tookMs * (1 + restPerLook);
    this.#schedule();
  }
}

/** Whether the waiter's sign has changed, or its time has come. */
function isWorthALook(waiter: Waiter, now: number): boolean {
  waiter.nextSignMs = now + (paces.find(({ untilMs }) => now - waiter.since < untilMs)?.everyMs ?? waiter.tableEveryMs);
  const sign = waiter.sign();
  if (sign === waiter.lastSign && now < waiter.nextTableMs) return false;
  // A socket that has just been made may be about to listen: soon after a change there is another look.
  waiter.nextTableMs = sign === waiter.lastSign ? now + waiter.tableEveryMs : now;
  waiter.lastSign = sign;
  return true;
}

function lookAtTable(waiters: readonly Waiter[]): void {
  let waiting = waiters;
  let parts = 0;
  const taken = new Set<Waiter>();
  for (const sockets of readListeningSockets()) {
    parts += 1;
    waiting = waiting.filter((waiter) => {
      const onPort = sockets.filter(({ port }) => waiter.wants(port));
      const own = onPort.find(({ inode }) => waiter.owns(inode));
      if (own !== undefined) waiter.found(own);
      else if (onPort.length > 0) taken.add(waiter);
      return own === undefined;
    });
    if (waiting.length === 0) return;
  }
  if (parts === 0) waiting.forEach(tryConnect);
  for (const waiter of waiting) {
    waiter.takenLooks = taken.has(waiter) ? waiter.takenLooks + 1 : 0;
    if (waiter.takenLooks === looksUntilTaken) waiter.onTaken();
  }
}

function tryConnect({ port, found }: Waiter): void {
  if (port === undefined) return;
  const host = "127.0.0.1";
  const socket = connect({ host, port });
  socket.on("error", () => socket.destroy()); // refused: nobody listens yet
  socket.on("connect", () => {
    socket.destroy();
    found({ host, port });
  });
}
