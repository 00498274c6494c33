import { createServer, type Server, type Socket } from "node:net";
import { listenAddress } from "../lib/any-address.ts";
import type { Clock, Timer } from "../lib/clock.ts";
import { pause } from "../lib/pause.ts";
import { Activity } from "./activity.ts";
import { ClientConnection, type ConnectionDeps } from "./connection.ts";
import { defaultLimits, type RelayLimits } from "./limits.ts";
import type { Exchange, RequestHandler } from "./plan.ts";
import { RelayProblem, statusOfProblem } from "./problem.ts";
import type { RequestHead } from "./request-head.ts";
import { reset } from "./reset.ts";
import type { Answer } from "./response.ts";
import { UpstreamCounts } from "./upstream-counts.ts";

export interface RelayOptions {
  readonly clock: Clock;
  /** Says where each request goes. May take its time: the request waits, and its client's going away is told. */
  readonly onRequest: RequestHandler;
  /** Counts what is in flight. Default: one of its own. */
  readonly activity?: Activity;
  /** Whether a request counts as such. Default: each does. */
  readonly isActivity?: (head: RequestHead) => boolean;
  /** Whether clients must not send a field of this lower-case name in trailers, which programs may merge. Default: they may. */
  readonly isHeadOnly?: (lowerName: string) => boolean;
  readonly limits?: Partial<RelayLimits>;
  /** Makes the answer to what the relay itself has to refuse; `exchange` where a head was read. Default: a line of text. */
  readonly describeProblem?: (problem: RelayProblem, exchange: Exchange | undefined) => Answer;
  /** Told of each answer that the relay gives itself, with its status. */
  readonly onAnswered?: (status: number) => void;
}

/** What goes through a relay, and what has gone through it since it was made. */
export interface RelayTraffic {
  /** Open client connections, and how many of them are upgraded. */
  readonly connections: number;
  readonly upgradedConnections: number;
  /** Bytes read from clients, and written to them. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
}

export interface DrainOptions {
  readonly mostMs: number;
  readonly spreadMs: number;
  readonly signal: AbortSignal;
}

export interface RelayAddress {
  readonly host: string;
  readonly port: number;
}

/** How often deadlines of connections are looked at: what is due happens this much late at most. */
const tickMs = 500;

/**
 * How many connections may wait to be accepted, where the system lets as many (Linux: `net.core.somaxconn`, 4,096). All clients of
 * a gateway come at once when another one has gone; of Node's 511, those beyond are tried again by their system after a second.
 */
const backlog = 4_096;

/** How often to look whether all requests were answered, and whether all connections are over. */
const quiescePollMs = 20;
const drainPollMs = 100;

/** Accepts HTTP/1.1 connections and passes the bytes of each request to where its handler says, and back. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #limits: RelayLimits;
  /** The same for all connections. */
  readonly #deps: ConnectionDeps;
  readonly #server: Server;
  readonly #connections = new Set<ClientConnection>();
  /** Those of them that were one too many, and are being told so. */
  readonly #refused = new Set<ClientConnection>();
  /** Of the connections that are closed. */
  #bytesReceived = 0;
  #bytesSent = 0;
  #tick: Timer | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#deps = this.#depsOf(options);
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.#accept(socket));
    // After `listen`: one connection could not be accepted (too many open files, say). The next may be.
    this.#server.on("error", () => {});
  }

  /** Where it listens. */
  get address(): RelayAddress {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the relay does not listen");
    return { host: address.address, port: address.port };
  }

  /** How many client connections are open. */
  get openConnections(): number {
    return this.#connections.size;
  }

  /** The sockets count their bytes themselves: reading them now and then costs nothing where they pass. */
  traffic(): RelayTraffic {
    let upgradedConnections = 0;
    let bytesReceived = this.#bytesReceived;
    let bytesSent = this.#bytesSent;
    for (const connection of this.#connections) {
      if (connection.isUpgraded) upgradedConnections += 1;
      bytesReceived += connection.bytesReceived;
      bytesSent += connection.bytesSent;
    }
    return { connections: this.#connections.size, upgradedConnections, bytesReceived, bytesSent };
  }

  /** Rejects with the socket's error where the address cannot be had. */
  listen(address: RelayAddress): Promise<RelayAddress> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ ...listenAddress(address), backlog }, () => {
        this.#server.off("error", reject);
        resolve(this.address);
      });
    });
  }

  /**
   * Takes no more connections and no more requests on those that are open. Resolves when each request was answered, at the
   * latest after `mostMs`; upgraded connections, which have no answer, are open still. To be followed by `close`.
   */
  async quiesce({ mostMs }: { mostMs: number }): Promise<void> {
    const { clock } = this.#options;
    const untilMs = clock.monotonicMs() + mostMs;
    this.#server.close();
    for (const connection of [...this.#connections]) connection.finish();
    const isAnswering = () => [...this.#connections].some((connection) => connection.isAnswering);
    while (isAnswering() && clock.monotonicMs() < untilMs) await pause(clock, quiescePollMs);
  }

  /**
   * Takes no more connections and no more requests on those that are open, and waits until all are over, at most `mostMs`;
   * those left are closed one after the other, spread over `spreadMs`, so that their clients do not come back all at once.
   * The signal ends the waiting. To be followed by `close`.
   */
  async drain({ mostMs, spreadMs, signal }: DrainOptions): Promise<void> {
    const { clock } = this.#options;
    const untilMs = clock.monotonicMs() + mostMs;
    this.#server.close();
    for (const connection of [...this.#connections]) connection.finish();
    const mayWait = () => this.#connections.size > 0 && !signal.aborted;
    while (mayWait() && clock.monotonicMs() < untilMs) await pause(clock, drainPollMs, signal);
    const left = [...this.#connections];
    for (const [place, connection] of left.entries()) {
      await pause(clock, untilMs + (place * spreadMs) / left.length - clock.monotonicMs(), signal);
      if (!mayWait()) return;
      connection.destroy();
    }
  }

  /** Takes no more connections, and ends all that are open. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve()); // an error says that it does not listen: as wanted
      for (const connection of [...this.#connections]) connection.destroy();
    });
    return this.#closing;
  }

  #accept(socket: Socket): void {
    const { connectionsMax, refusalsMax } = this.#limits;
    const isTooMany = this.#connections.size - this.#refused.size >= connectionsMax;
    // To answer costs a socket until its client has gone, up to 30 s: a flood of connections gets no more of them.
    if (isTooMany && this.#refused.size >= refusalsMax) return reset(socket.on("error", ignore));
    const connection = this.#open(socket);
    if (isTooMany) {
      this.#refused.add(connection);
      connection.onProblem(new RelayProblem("too_many_connections", `${connectionsMax} connections are open already`));
    }
    if (this.#tick === undefined) this.#scheduleTick();
  }

  #open(socket: Socket): ClientConnection {
    const connection = new ClientConnection(socket, this.#deps);
    this.#connections.add(connection);
    return connection;
  }

  #depsOf({
    clock,
    activity,
    isActivity,
    isHeadOnly,
    onRequest,
    describeProblem,
    onAnswered,
  }: RelayOptions): ConnectionDeps {
    const { headBytesMax } = this.#limits;
    return {
      clock,
      limits: this.#limits,
      trailerRules: { headBytesMax, ...(isHeadOnly === undefined ? {} : { isHeadOnly }) },
      activity: activity ?? new Activity(clock),
      ...(isActivity === undefined ? {} : { isActivity }),
      upstreams: new UpstreamCounts(),
      onRequest,
      describeProblem: describeProblem ?? describePlainly,
      ...(onAnswered === undefined ? {} : { onAnswered }),
      onClosed: (connection) => this.#forget(connection),
    };
  }

  #forget(connection: ClientConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.#refused.delete(connection);
    this.#bytesReceived += connection.bytesReceived;
    this.#bytesSent += connection.bytesSent;
  }

  #scheduleTick(): void {
    const { clock } = this.#options;
    const lateMs = clock.monotonicMs() + 2 * tickMs;
    this.#tick = clock.after(tickMs, () => {
      // This process did not run for a while. What was received meanwhile is read before anybody is taken for silent.
      if (clock.monotonicMs() > lateMs) this.#tick = clock.after(0, () => this.#onTick());
      else this.#onTick();
    });
  }

  #onTick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const connection of this.#connections) connection.tick(nowMs);
    if (this.#connections.size > 0) this.#scheduleTick();
    else this.#tick = undefined;
  }
}

function ignore(): void {}

function describePlainly({ kind, message }: RelayProblem): Answer {
  return {
    status: statusOfProblem[kind],
    headers: { "content-type": "text/plain; charset=utf-8" },
    body: `${message}\n`,
  };
}
