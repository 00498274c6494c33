import { deadlines } from "../core/deadlines.ts";
import { isSpawnerError } from "../core/errors.ts";
import { millisecondsUntilIdle } from "../core/idleness.ts";
import type { RelayHost, RelayHostState } from "../core/relay-host.ts";
import { type Backend, completeSpec } from "../core/resource.ts";
import { addressOf, endedPatch, hasEnded, reachedPatch, type StatusPatch, stateOf } from "../core/status.ts";
import { Backoff } from "../lib/backoff.ts";
import type { Timer } from "../lib/clock.ts";
import type { SweeperDeps } from "./sweeper.ts";

/**
 * One backend's relay host, watched from its address being known to the backend's end. Only what the host itself says
 * can end the backend: a lost stream or a failed request means that nothing is known.
 */
export class BackendSweep {
  readonly #deps: SweeperDeps;
  readonly #streamBackoff = new Backoff({ firstMs: deadlines.streamRetryFirstMs, mostMs: deadlines.streamRetryMostMs });
  readonly #writeBackoff = new Backoff({ firstMs: deadlines.streamRetryFirstMs, mostMs: deadlines.streamRetryMostMs });
  #backend: Backend;
  #host: RelayHost | undefined;
  /** What the host said last, and when: only its saying more, or time, changes it. */
  #heard: { readonly state: RelayHostState; readonly atMs: number } | undefined;
  #unwatch: (() => void) | undefined;
  /** The next attempt at what is due: at the stream, or at acting on the state. */
  #streamTimer: Timer | undefined;
  #actTimer: Timer | undefined;
  #acting = false;
  #closed = false;

  constructor(backend: Backend, deps: SweeperDeps) {
    this.#backend = backend;
    this.#deps = deps;
    this.#connect();
  }

  /** The backend as it is now. A relay host that moved is watched at its new place. */
  update(backend: Backend): void {
    const moved = addressOf(this.#backend)?.workloadUID !== addressOf(backend)?.workloadUID;
    this.#backend = backend;
    if (moved) this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.#disconnect();
  }

  #connect(): void {
    this.#disconnect();
    this.#host = this.#deps.engine.relayHost(this.#backend);
    if (this.#host === undefined) return this.#reconnectLater();
    this.#unwatch = this.#host.watch({
      onState: (state) => {
        this.#streamBackoff.reset();
        this.#heard = { state, atMs: this.#deps.clock.monotonicMs() };
        this.#actSoon(0);
      },
      onLost: (cause) => {
        this.#deps.log.debug({ backend: this.#name, err: cause }, "relay host stream lost");
        this.#disconnect();
        this.#reconnectLater();
      },
    });
  }

  #disconnect(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#host = undefined;
    this.#heard = undefined;
    this.#streamTimer?.cancel();
    this.#actTimer?.cancel();
  }

  #reconnectLater(): void {
    if (!this.#closed) this.#streamTimer = this.#deps.clock.after(this.#streamBackoff.next(), () => this.#connect());
  }

  /** Acts on the latest state after `delayMs`; one act at a time. */
  #actSoon(delayMs: number): void {
    this.#actTimer?.cancel();
    if (this.#closed || this.#acting) return;
    if (delayMs > 0) this.#actTimer = this.#deps.clock.after(delayMs, () => this.#actSoon(0));
    else void this.#act();
  }

  async #act(): Promise<void> {
    this.#acting = true;
    const seen = this.#heard;
    let againMs: number | undefined;
    try {
      againMs = await this.#advance();
      this.#writeBackoff.reset();
    } catch (error) {
      this.#deps.log.warn({ backend: this.#name, err: error }, "sweep failed, will be tried again");
      againMs = this.#writeBackoff.next();
    }
    this.#acting = false;
    if (this.#heard !== seen) this.#actSoon(0);
    else if (againMs !== undefined) this.#actSoon(againMs);
  }

  /** Does what the state asks for. Resolves to when it asks for more, if time alone will tell. */
  async #advance(): Promise<number | undefined> {
    const heard = this.#heard;
    if (!heard?.state.ready || this.#host === undefined || hasEnded(this.#backend)) return undefined;
    if (stateOf(this.#backend) !== "Ready") await this.#write((backend) => reachedPatch(backend, { Ready: this.#now }));
    const untilMs = this.#msUntilIdle(heard);
    if (untilMs === undefined || untilMs > 0) return untilMs;
    const answer = await this.#host.seal({ leaseMs: deadlines.sealLeaseMs });
    if (!answer.sealed) return answer.msUntilIdle === undefined ? undefined : Math.max(answer.msUntilIdle, 1);
    await this.#sweep();
    return undefined;
  }

  /** Once sealed: writes the end within the seal's lease, or leaves it to lapse. */
  async #sweep(): Promise<void> {
    const { gracePeriodSeconds } = completeSpec(this.#backend.spec);
    const message = `Nobody was connected for ${gracePeriodSeconds} s (gracePeriodSeconds).`;
    const deadlineMs = this.#deps.clock.monotonicMs() + deadlines.sweptWriteMs;
    await this.#write((backend) => {
      if (this.#deps.clock.monotonicMs() > deadlineMs)
        throw new Error("writing Swept took too long: the seal may lapse");
      return endedPatch(backend, { reason: "Idle", message, at: this.#now });
    });
  }

  /** Writes what `build` makes of the present version; somebody else's write in between is taken into account. */
  async #write(build: (backend: Backend) => StatusPatch | undefined): Promise<void> {
    const { backends } = this.#deps.engine;
    for (;;) {
      const backend = this.#backend;
      const patch = build(backend);
      if (patch === undefined) return;
      const { name, uid, resourceVersion } = backend.metadata;
      try {
        this.#backend = await backends.patchStatus({ name, uid, resourceVersion }, patch);
        this.#deps.log.info({ backend: name, state: stateOf(this.#backend) }, "backend changed");
        return;
      } catch (error) {
        if (isSpawnerError(error, "not_found")) return; // deleted: the watch will say so
        if (!isSpawnerError(error, "conflict")) throw error;
        const stored = await backends.get(name);
        if (stored?.metadata.uid !== uid) return;
        this.#backend = stored;
      }
    }
  }

  /** By what the host said, and the time since; of a host of 0.1.9, which knows no rule, worked out from its seconds. */
  #msUntilIdle({ state, atMs }: { state: RelayHostState; atMs: number }): number | undefined {
    const nowMs = this.#deps.clock.monotonicMs();
    if (state.msUntilIdle !== undefined) return atMs + state.msUntilIdle - nowMs;
    const { liveConnections: live, idleMs } = state;
    const activity = { live, lastActiveMs: atMs - idleMs, everActive: true, heldUntilMs: 0 };
    return millisecondsUntilIdle(activity, completeSpec(this.#backend.spec), nowMs);
  }

  get #now(): Date {
    return this.#deps.clock.now();
  }

  get #name(): string {
    return this.#backend.metadata.name;
  }
}
