import type { EndReason } from "@spawner/client";
import { addressOf } from "../core/address.ts";
import { deadlines } from "../core/deadlines.ts";
import { millisecondsUntilIdle } from "../core/idleness.ts";
import { isInUse, type RelayHost, type RelayHostState } from "../core/relay-host.ts";
import { type Backend, completeSpec } from "../core/resource.ts";
import {
  endedPatch,
  hasEnded,
  idleMessage,
  reachedAt,
  reachedPatch,
  stateOf,
  stayedPatch,
  supersededMessage,
} from "../core/status.ts";
import { troubleOf } from "../engine/index.ts";
import { Backoff } from "../lib/backoff.ts";
import type { Timer } from "../lib/clock.ts";
import { BackendRecord, type RecordDeps } from "./backend-record.ts";
import { HostStream } from "./host-stream.ts";
import type { SweeperMetrics } from "./metrics.ts";

/** The shortest lease there is: what is sealed opens. */
const openingLeaseMs = 1;
/** For hosts that know no final seal: the longest lease that they take. */
const finalLeaseMs = 3_600_000;

/** What is to end as soon as nobody is there is asked to at once: the host says how long a hold still runs. */
function msUntilNobody(state: RelayHostState): number | undefined {
  return isInUse(state) ? undefined : 0;
}

function endOf({ spec }: Backend, state: RelayHostState): { reason: EndReason; message: string } {
  if (spec.stopWhenIdle === true) return { reason: "Superseded", message: supersededMessage };
  return { reason: "Idle", message: idleMessage(spec, state) };
}

interface BackendSweepDeps extends RecordDeps {
  metrics: SweeperMetrics;
}

/**
 * One backend's relay host, watched from its address being known to the backend's end. Only what the host itself says
 * can end the backend: a lost stream or a failed request means that nothing is known.
 */
export class BackendSweep {
  readonly #deps: BackendSweepDeps;
  readonly #writeBackoff = new Backoff({ firstMs: deadlines.streamRetryFirstMs, mostMs: deadlines.streamRetryMostMs });
  readonly #record: BackendRecord;
  readonly #stream: HostStream;
  /** The next attempt at acting on the state. */
  #actTimer: Timer | undefined;
  #acting = false;
  /** What is being done, or was last. */
  #act: Promise<void> | undefined;
  /** Whatever is heard, nothing is tried before. */
  #notBeforeMs = 0;
  /** Whether a write of Swept was begun that is not known to have been made. */
  #isUnsettled = false;
  /** When the grace period is over, as far as was heard. */
  #dueMs: number | undefined;
  #closed = false;

  constructor(backend: Backend, deps: BackendSweepDeps) {
    this.#record = new BackendRecord(backend, deps);
    this.#deps = deps;
    this.#stream = new HostStream({
      clock: deps.clock,
      open: () => deps.engine.relayHost(this.#backend),
      onState: () => this.#actSoon(0),
      onLost: (cause, loss) => this.#onLost(cause, loss),
    });
    this.#stream.connect();
  }

  /** Whether its program says that it is at work, as far as was heard. */
  get isBusy(): boolean {
    return this.#stream.heard?.state.busy ?? false;
  }

  /** The backend as it is now. A relay host that moved is watched at its new place. */
  update(backend: Backend): void {
    const moved = addressOf(this.#backend)?.workloadUID !== addressOf(backend)?.workloadUID;
    const isToEnd = backend.spec.stopWhenIdle === true && this.#backend.spec.stopWhenIdle !== true;
    this.#record.heard(backend);
    if (isToEnd) this.#actSoon(0);
    if (!moved) return;
    this.#forgetHeard();
    this.#stream.connect();
  }

  /** Begins nothing more. Resolves when what was begun has come to its end, or its time is over. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stream.close();
    this.#forgetHeard();
    await this.#act;
    // A write of Swept may be on its way still, and whoever comes next does not know of it.
    if (this.#isUnsettled) await this.#attempt();
  }

  #onLost(cause: Error, { isLong }: { isLong: boolean }): void {
    const { log, metrics } = this.#deps;
    metrics.streamsLost.add();
    if (isLong)
      log.warn({ backend: this.#name, ...troubleOf(cause) }, "relay host cannot be heard, and the backend not swept");
    else log.debug({ backend: this.#name, err: cause }, "relay host stream lost");
    this.#forgetHeard();
  }

  /** Nothing is acted on any more; but what became of a write of Swept is found out without the host too: it may still be made. */
  #forgetHeard(): void {
    if (this.#closed || !this.#isUnsettled) this.#actTimer?.cancel();
  }

  /** Acts on the latest state after `delayMs`; one act at a time. */
  #actSoon(delayMs: number): void {
    this.#actTimer?.cancel();
    if (this.#closed || this.#acting) return;
    const waitMs = Math.max(delayMs, this.#notBeforeMs - this.#deps.clock.monotonicMs());
    if (waitMs > 0) this.#actTimer = this.#deps.clock.after(waitMs, () => this.#actSoon(0));
    else this.#act = this.#attempt();
  }

  async #attempt(): Promise<void> {
    this.#acting = true; // before anything is asked of a host that may answer at once
    const seen = this.#stream.heard;
    let againMs: number | undefined;
    try {
      if (this.#isUnsettled) againMs = await this.#settle();
      else {
        againMs = await this.#advance();
        this.#writeBackoff.reset();
      }
    } catch (error) {
      this.#deps.metrics.errors.add();
      // One line for a trouble, however often it is tried in vain.
      const level = this.#writeBackoff.failures === 0 ? "warn" : "debug";
      this.#deps.log[level]({ backend: this.#name, err: error }, "sweep failed, will be tried again");
      againMs = this.#backOff();
    }
    this.#acting = false;
    if (this.#stream.heard !== seen) this.#actSoon(0);
    else if (againMs !== undefined) this.#actSoon(againMs);
  }

  /** Growing waits, in which nothing is tried. */
  #backOff(): number {
    const waitMs = this.#writeBackoff.next();
    this.#notBeforeMs = this.#deps.clock.monotonicMs() + waitMs;
    return waitMs;
  }

  /** Does what the state asks for. Resolves to when it asks for more, if time alone will tell. */
  async #advance(): Promise<number | undefined> {
    const { heard, host } = this.#stream;
    if (!heard?.state.ready || host === undefined || hasEnded(this.#backend)) return undefined;
    if (stateOf(this.#backend) !== "Ready") {
      // What listens runs, whether or not that was written: this write is that one's as well.
      const ready = (backend: Backend) => reachedPatch(backend, { Running: this.#now, Ready: this.#now });
      await this.#record.write(ready, { mostMs: deadlines.statusWriteMs });
    }
    const evenInGrace = this.#backend.spec.stopWhenIdle === true;
    const untilMs = evenInGrace ? msUntilNobody(heard.state) : this.#msUntilIdle(heard);
    this.#noteDue(untilMs);
    if (untilMs === undefined || untilMs > 0) return untilMs;
    // A store that is paused does what it was sent when it goes on, before anything else: it is to hear of no end then.
    const isAlive = await this.#record.isAlive({ mostMs: deadlines.statusWriteMs });
    if (!isAlive || this.#closed || this.#stream.heard !== heard) return undefined;
    const answer = await host.seal({ leaseMs: deadlines.sealLeaseMs, ...(evenInGrace ? { evenInGrace } : {}) });
    if (!answer.sealed) this.#noteDue(answer.msUntilIdle);
    if (!answer.sealed) return answer.msUntilIdle === undefined ? undefined : Math.max(answer.msUntilIdle, 1);
    await this.#sweep(host, heard.state);
    return undefined;
  }

  /** Once sealed: writes the end well within the seal's lease. Rejects where it is not known to be written. */
  async #sweep(host: RelayHost, state: RelayHostState): Promise<void> {
    this.#isUnsettled = true;
    await this.#record.write((backend) => endedPatch(backend, { ...endOf(backend, state), at: this.#now }), {
      mostMs: deadlines.sweptWriteMs,
    });
    this.#isUnsettled = false;
    this.#noteSwept();
    await this.#sealForGood(host);
  }

  /**
   * Finds out what became of a write of Swept. It may still be on its way: another write takes the version that it is meant
   * for, so that it fails if it comes. Until that is done nothing is sealed again, and the host serves when its lease ends;
   * then it does so at once. Resolves to when to go on.
   */
  async #settle(): Promise<number | undefined> {
    const stayed = (backend: Backend) => stayedPatch(backend, this.#now);
    await this.#record.write(stayed, { mostMs: deadlines.statusWriteMs });
    this.#isUnsettled = false;
    const { host } = this.#stream;
    if (hasEnded(this.#backend)) {
      this.#noteSwept();
      if (host !== undefined) await this.#sealForGood(host);
      return undefined;
    }
    await host?.seal({ leaseMs: openingLeaseMs });
    return this.#backOff();
  }

  /** What is due stays so until somebody comes: a host that says again that it is idle does not say since when. */
  #noteDue(untilMs: number | undefined): void {
    const nowMs = this.#deps.clock.monotonicMs();
    const isDue = this.#dueMs !== undefined && this.#dueMs <= nowMs;
    if (untilMs === undefined) this.#dueMs = undefined;
    else if (untilMs > 0 || !isDue) this.#dueMs = nowMs + untilMs;
  }

  /** Unless somebody else has ended it meanwhile. */
  #noteSwept(): void {
    if (this.#backend.status.reason !== "Idle" || this.#dueMs === undefined) return;
    this.#deps.metrics.lateness.observe((this.#deps.clock.monotonicMs() - this.#dueMs) / 1000);
  }

  /** Nobody is to wait for what is over. Best effort: whoever ends the program tells the host as well. */
  async #sealForGood(host: RelayHost): Promise<void> {
    try {
      await host.seal({ leaseMs: finalLeaseMs, evenIfActive: true, isFinal: true });
    } catch (error) {
      this.#deps.log.debug({ backend: this.#name, err: error }, "relay host could not be told of the end");
    }
  }

  /**
   * By what the host said, and the time since; of a host of 0.1.9, which knows no rule, worked out from its seconds. Those are
   * counted from when its program listened, and nobody could come before it was said to be ready: a move to us may lie between.
   */
  #msUntilIdle({ state, atMs }: NonNullable<HostStream["heard"]>): number | undefined {
    const nowMs = this.#deps.clock.monotonicMs();
    if (state.msUntilIdle !== undefined) return atMs + state.msUntilIdle - nowMs;
    const readyMs = nowMs - (this.#now.getTime() - (reachedAt(this.#backend, "Ready") ?? new Date(0)).getTime());
    const live = Number(isInUse(state));
    const activity = { live, lastActiveMs: Math.max(atMs - state.idleMs, readyMs), everActive: true, heldUntilMs: 0 };
    return millisecondsUntilIdle(activity, completeSpec(this.#backend.spec), nowMs);
  }

  get #backend(): Backend {
    return this.#record.backend;
  }

  get #now(): Date {
    return this.#deps.clock.now();
  }

  get #name(): string {
    return this.#backend.metadata.name;
  }
}
