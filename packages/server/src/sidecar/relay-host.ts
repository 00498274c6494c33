import type { ErrorCode } from "@spawner/client";
import { deadlines } from "../core/deadlines.ts";
import { makeErrorAnswer } from "../core/error-body.ts";
import { type ClientActivity, type IdlenessRule, millisecondsUntilIdle } from "../core/idleness.ts";
import {
  type BusyAnswer,
  type BusyHost,
  backendHeader,
  type HoldAnswer,
  type RelayHost,
  type RelayHostState,
  type RelayHostWatcher,
  refusalHeader,
  type SealAnswer,
  type SealRequest,
} from "../core/relay-host.ts";
import type { Clock, Timer } from "../lib/clock.ts";
import {
  Activity,
  type Exchange,
  type Plan,
  Relay,
  type RelayLimits,
  type ResponseHead,
  rewriteResponseHead,
  type Upstream,
} from "../relay/index.ts";
import { BusyLease } from "./busy-lease.ts";
import type { SidecarFigures } from "./figures.ts";
import { Gate } from "./gate.ts";
import { isLegacyEvents, type LegacyEvents, openLegacyEvents } from "./legacy-events.ts";
import { StateFeed } from "./state-feed.ts";

export interface RelayHostConfig extends IdlenessRule {
  /** Where to serve. Port 0: any. */
  readonly host: string;
  readonly port: number;
  /** `<name>/<uid>`: requests meant for another backend get 421. Default: any request is taken. */
  readonly identity?: string;
  /** Whether it follows a relay host that may have had clients: then the grace period alone counts, from now. */
  readonly adopted?: boolean;
  /** Whether the serve port answers `/_events` itself, as 0.1.9's sidecar did for its sweeper. Default false. */
  readonly eventsOnServePort?: boolean;
  /**
   * How long an upgraded connection without data is a client: pings, pongs and closes of a WebSocket are none. Default, and 0:
   * until it closes.
   */
  readonly silentConnectionSeconds?: number;
  /** What clients and the program may take of time, bytes and connections. Default: `defaultLimits`. */
  readonly limits?: Partial<RelayLimits>;
}

/** How many requests may wait for the program to listen, or for a seal to be decided. */
const waitingMax = 1_000;

/** Idle as soon as nobody is there. */
const noGrace: IdlenessRule = { gracePeriodSeconds: 0, firstClientSeconds: 0 };

/** How long the last answers may take to leave, when the host closes. */
const lastAnswersMs = 200;

/**
 * The relay host of one backend: passes bytes to the program, knows when it listens, counts who is there, lets the program say
 * that it is busy, and promises to stay (hold) or to let nobody in (seal).
 */
export class BackendRelayHost implements RelayHost, BusyHost {
  readonly #config: RelayHostConfig;
  readonly #clock: Clock;
  readonly #activity: Activity;
  readonly #busy: BusyLease;
  readonly #relay: Relay;
  readonly #gate: Gate;
  readonly #feed: StateFeed;
  #legacyEvents: LegacyEvents | undefined;
  #upstream: Upstream | undefined;
  #sealLease: Timer | undefined;
  #sealedUntilMs = 0;
  #heldUntilMs = 0;
  #ended = false;
  /** The idle clock starts when the program listens, not before. */
  #listeningSinceMs: number | undefined;

  private constructor(config: RelayHostConfig, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
    this.#activity = new Activity(clock);
    this.#busy = new BusyLease({ clock, onEnd: () => void this.#activity.touch() });
    this.#gate = new Gate({ clock, waitingMax, waitMsMax: deadlines.relayHostParkMs });
    this.#feed = new StateFeed({ clock, read: () => this.#state() });
    this.#activity.onChange(() => this.#feed.changed());
    this.#relay = new Relay({
      clock,
      activity: this.#activity,
      limits: { ...config.limits, silentConnectionMs: (config.silentConnectionSeconds ?? 0) * 1000 },
      ...(config.eventsOnServePort ? { isActivity: (head) => !isLegacyEvents(head) } : {}),
      onRequest: (exchange) => this.#route(exchange),
      describeProblem: ({ kind, message }) => makeErrorAnswer(kind, `${message}.`),
    });
  }

  /** Listens. Rejects with the socket's error where the address cannot be had. */
  static async open(config: RelayHostConfig, { clock }: { clock: Clock }): Promise<BackendRelayHost> {
    const host = new BackendRelayHost(config, clock);
    if (config.eventsOnServePort) host.#legacyEvents = await openLegacyEvents(host);
    try {
      await host.#relay.listen({ host: config.host, port: config.port });
    } catch (error) {
      host.#legacyEvents?.close();
      throw error;
    }
    return host;
  }

  get port(): number {
    return this.#relay.address.port;
  }

  /** All ports on which it listens itself. */
  get ports(): readonly number[] {
    return this.#legacyEvents === undefined ? [this.port] : [this.port, this.#legacyEvents.upstream.port];
  }

  /** How many requests wait for the program to listen, or for a seal to be decided. */
  get waitingCount(): number {
    return this.#gate.waitingCount;
  }

  /** What it counts, at this moment. */
  figures(): SidecarFigures {
    const { ready, sealed, liveConnections } = this.#state();
    const busy = this.#busy.isRunning;
    return { ...this.#relay.traffic(), ready, sealed, liveConnections, busy, waitingRequests: this.#gate.waitingCount };
  }

  /** The program listens there: what waits, and what comes, is passed to it. */
  programListens(upstream: { host: string; port: number }): void {
    if (this.#ended) return;
    this.#upstream = upstream;
    this.#listeningSinceMs = this.#clock.monotonicMs();
    this.#changed();
  }

  watch(watcher: RelayHostWatcher): () => void {
    return this.#feed.watch(watcher);
  }

  async hold(seconds: number): Promise<HoldAnswer> {
    if (this.#ended || this.#sealLease !== undefined) return { held: false, because: "sealed" };
    this.#activity.touch();
    this.#heldUntilMs = Math.max(this.#heldUntilMs, this.#clock.monotonicMs() + seconds * 1000);
    this.#feed.changed();
    return { held: true };
  }

  setBusy(ttlSeconds: number): BusyAnswer {
    if (this.#ended || this.#sealLease !== undefined) return { accepted: false, because: "sealed" };
    this.#busy.set(ttlSeconds * 1000);
    this.#feed.changed();
    return { accepted: true };
  }

  async seal({
    leaseMs,
    evenIfActive = false,
    evenInGrace = false,
    isFinal = false,
  }: SealRequest): Promise<SealAnswer> {
    if (isFinal) this.end();
    if (this.#ended) return { sealed: true };
    const msUntilIdle = this.#msUntilIdle(evenInGrace ? noGrace : this.#config);
    const isIdle = msUntilIdle !== undefined && msUntilIdle <= 0;
    if (!isIdle && !evenIfActive && this.#sealLease === undefined) return { sealed: false, msUntilIdle };
    const untilMs = this.#clock.monotonicMs() + leaseMs;
    // Whoever asks anew has not heard the answer to an earlier seal: nobody is kept waiting again and again for that.
    const isProlonged = this.#sealLease !== undefined && untilMs > this.#sealedUntilMs;
    if (isProlonged && !evenIfActive && this.waitingCount > 0) return { sealed: false, msUntilIdle: undefined };
    this.#sealLease?.cancel();
    this.#sealLease = this.#clock.after(leaseMs, () => this.#unseal());
    this.#sealedUntilMs = untilMs;
    this.#changed();
    return { sealed: true };
  }

  /** Lets nobody in any more, for good; what is going on goes on until `close`. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#sealLease?.cancel();
    this.#busy.drop();
    this.#changed();
  }

  async close(): Promise<void> {
    this.end();
    this.#feed.close(new Error("the relay host was closed"));
    this.#legacyEvents?.close();
    // Who waited has just been told that it is over, and is to read it.
    await this.#relay.quiesce({ mostMs: lastAnswersMs });
    await this.#relay.close();
  }

  #unseal(): void {
    this.#sealLease = undefined;
    this.#changed();
  }

  #changed(): void {
    const isOpen = this.#upstream !== undefined && this.#sealLease === undefined;
    this.#gate.set(this.#ended ? "ended" : isOpen ? "open" : "closed");
    this.#feed.changed();
  }

  #route(exchange: Exchange): Plan | Promise<Plan> {
    const { head } = exchange;
    const meant = head.header(backendHeader);
    const { identity } = this.#config;
    if (identity !== undefined && meant !== undefined && meant !== identity) {
      return refuse("misdirected", `This is ${identity}, and the request was meant for ${meant}.`);
    }
    if (this.#legacyEvents !== undefined && isLegacyEvents(head)) {
      return { kind: "forward", upstream: this.#legacyEvents.upstream };
    }
    if (this.#gate.state === "open") return this.#pass(exchange);
    return this.#gate.wait(exchange.signal).then((outcome) => {
      switch (outcome) {
        case "open":
          return this.#pass(exchange);
        case "ended":
          return refuse("backend_ended", "The backend has ended.");
        case "full":
          return answerError("too_many_waiting", `${waitingMax} requests wait for the program already.`);
        case "timeout":
          return answerError("unavailable", this.#describeWait());
        default:
          return outcome satisfies never;
      }
    });
  }

  #describeWait(): string {
    const waited = `within ${deadlines.relayHostParkMs / 1000} s`;
    if (this.#upstream === undefined) return `The program did not listen ${waited}.`;
    return `The backend was about to end, and it was not decided ${waited} whether it does.`;
  }

  /** The relay asks again where a kept-alive connection was just closing; the program's own answers, 421 too, are passed on. */
  #pass({ attempt, previousFailure }: Exchange): Plan {
    if (this.#upstream === undefined || attempt > 1) {
      const code = previousFailure?.kind === "upstream_timeout" ? "upstream_timeout" : "upstream_failed";
      return answerError(code, "The program does not answer on its port.");
    }
    return { kind: "forward", upstream: this.#upstream, isRefusal: () => false, onResponseHead: withoutRefusal };
  }

  #clientActivity(): ClientActivity {
    const { live, lastActiveMs, everActive } = this.#activity;
    return {
      live: live + Number(this.#busy.isRunning),
      lastActiveMs: Math.max(lastActiveMs, this.#listeningSinceMs ?? 0),
      everActive: everActive || this.#config.adopted === true,
      heldUntilMs: this.#heldUntilMs,
    };
  }

  #msUntilIdle(rule: IdlenessRule = this.#config): number | undefined {
    if (this.#listeningSinceMs === undefined) return undefined;
    return millisecondsUntilIdle(this.#clientActivity(), rule, this.#clock.monotonicMs());
  }

  #state(): RelayHostState {
    const { live, lastActiveMs, everActive } = this.#clientActivity();
    const untilIdle = this.#msUntilIdle();
    const ready = this.#upstream !== undefined;
    return {
      ready,
      liveConnections: this.#activity.live,
      ...(this.#busy.isRunning ? { busy: true } : {}),
      idleMs: live > 0 ? 0 : this.#clock.monotonicMs() - lastActiveMs,
      msUntilIdle: untilIdle === undefined ? undefined : Math.max(untilIdle, 0),
      sealed: this.#ended || this.#sealLease !== undefined,
      ...(ready && !everActive ? { awaitsFirstClient: true } : {}),
    };
  }
}

/** That a request was not let in is for the host alone to say: whoever believes it sends the request once more. */
function withoutRefusal(head: ResponseHead): Buffer | undefined {
  return head.has(refusalHeader) ? rewriteResponseHead(head, { remove: [refusalHeader] }) : undefined;
}

/** Whoever asked on a client's behalf may know more: why the backend has ended, or where it is. */
function refuse(code: ErrorCode, message: string): Plan {
  const { headers, ...answer } = makeErrorAnswer(code, message);
  return { kind: "answer", answer: { ...answer, headers: { ...headers, [refusalHeader]: code } } };
}

function answerError(code: ErrorCode, message: string): Plan {
  return { kind: "answer", answer: makeErrorAnswer(code, message) };
}
