import type { StatusMessage } from "@spawner/client";
import { deadlines } from "../core/deadlines.ts";
import { isSpawnerError, SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import { runsTheSame } from "../core/spec-change.ts";
import { endedAt, hasEnded, stateOf, statusHistory, statusMessage } from "../core/status.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import { pause } from "../lib/pause.ts";
import { Turns } from "../lib/turns.ts";
import { nextChange } from "./next-change.ts";
import type { StatusHub } from "./status-hub.ts";
import type { WantedBackend } from "./wanted-backend.ts";

export interface ObtainDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly hub: StatusHub;
}

export interface Obtained {
  readonly backend: Backend;
  readonly spawned: boolean;
  /** How the backend before it ended, where this one takes its place and that was a failure. */
  readonly previousFailure?: StatusMessage;
}

/** How long a backend that is handed out stays for its client at least. */
const holdSeconds = 30;
/** A seal may be lifted without a change of the record. */
const sealedPollMs = 250;
const gonePollMs = 50;
/** Wait of a key after its n-th failure in a row, doubling from the first to the second. */
const failureWaitFirstMs = 1_000;
const failureWaitMostMs = 60_000;

/** Gives callers the live backend of a key, or starts it. */
export class Obtainer {
  readonly #deps: ObtainDeps;
  /** One at a time makes and removes backends of a key, so that a crowd does not meet at the store. */
  readonly #turns = new Turns();

  constructor(deps: ObtainDeps) {
    this.#deps = deps;
  }

  /** Rejects with a SpawnerError: `unavailable` where it takes longer than `deadlines.connectMs`. */
  async obtain(wanted: WantedBackend): Promise<Obtained> {
    const { clock, engine } = this.#deps;
    const untilMs = clock.monotonicMs() + deadlines.connectMs;
    for (;;) {
      const found = wanted.key === undefined ? undefined : await engine.backends.get(wanted.name);
      if (found !== undefined && !hasEnded(found)) {
        if (await this.#isToBeHad(found, wanted)) return { backend: found, spawned: false };
        await this.#awaitChange(found, untilMs);
        continue;
      }
      const made = await this.#turns.take(wanted.name, () => this.#replace(found, wanted, untilMs));
      if (made !== undefined) return made;
      if (clock.monotonicMs() >= untilMs) throw tooLong("another caller was at it");
    }
  }

  /** Whether this live backend stays for its client. */
  async #isToBeHad(backend: Backend, { spec, onSpecChange }: WantedBackend): Promise<boolean> {
    const { engine } = this.#deps;
    if (backend.spec.stopRequested) return false;
    const isStale = !runsTheSame(backend.spec, spec);
    if (isStale && onSpecChange === "now") {
      await this.#stop(backend, { reason: "Superseded" });
      return false;
    }
    if (!(await this.#hold(backend))) return false;
    if (isStale && onSpecChange === "whenIdle") await this.#stop(backend, { whenIdle: true });
    // One that has no place yet has nobody who could end it as idle, and waits for its first client then.
    return engine.relayHost(backend) !== undefined || !(await this.#hasEndedSince(backend));
  }

  async #hold(backend: Backend): Promise<boolean> {
    const host = this.#deps.engine.relayHost(backend);
    if (host === undefined) return true;
    try {
      return (await host.hold(holdSeconds)).held;
    } catch (error) {
      // It may have ended, which its record says before long; else nothing can be promised of it.
      if (await this.#hasEndedSince(backend)) return false;
      throw error;
    }
  }

  async #hasEndedSince({ metadata }: Backend): Promise<boolean> {
    const latest = await this.#deps.engine.backends.get(metadata.name, { fresh: true });
    return latest === undefined || latest.metadata.uid !== metadata.uid || hasEnded(latest);
  }

  async #stop({ metadata: { name, uid } }: Backend, how: { whenIdle: true } | { reason: "Superseded" }): Promise<void> {
    try {
      await this.#deps.engine.backends.requestStop({ name, uid }, how);
    } catch (error) {
      if (!isSpawnerError(error, "not_found", "conflict")) throw error; // gone or changed: looked at again
    }
  }

  /** Removes what is left of the backend before, and makes the next. Undefined where somebody else was quicker. */
  async #replace(old: Backend | undefined, wanted: WantedBackend, untilMs: number): Promise<Obtained | undefined> {
    const { backends } = this.#deps.engine;
    const { name, key, spec } = wanted;
    // Whoever had the turn before may have made it.
    const latest = key === undefined ? undefined : await backends.get(name);
    if (
      latest?.metadata.uid !== old?.metadata.uid ||
      latest?.metadata.resourceVersion !== old?.metadata.resourceVersion
    ) {
      if (latest !== undefined) return undefined;
    }
    const failuresBefore = latest === undefined ? 0 : this.#failuresUntil(latest);
    if (latest !== undefined) await this.#remove(latest, untilMs);
    try {
      const backend = await backends.create({ name, spec: failuresBefore > 0 ? { ...spec, failuresBefore } : spec });
      const previousFailure =
        latest !== undefined && stateOf(latest) === "Failed" ? { previousFailure: statusMessage(latest) } : {};
      return { backend, spawned: true, ...previousFailure };
    } catch (error) {
      if (key !== undefined && isSpawnerError(error, "already_exists")) return undefined;
      throw error;
    }
  }

  /** How many backends of the key failed in a row without having been ready. Throws while the next has to wait. */
  #failuresUntil(old: Backend): number {
    const wasReady = statusHistory(old).some(({ state }) => state === "Ready");
    if (stateOf(old) !== "Failed" || wasReady) return 0;
    const failures = (old.spec.failuresBefore ?? 0) + 1;
    // The first failure may have been chance: the next is started at once.
    const waitMs = failures === 1 ? 0 : Math.min(failureWaitFirstMs * 2 ** (failures - 2), failureWaitMostMs);
    const leftMs = (endedAt(old)?.getTime() ?? 0) + waitMs - this.#deps.clock.now().getTime();
    if (leftMs <= 0) return failures;
    const { reason, message } = statusMessage(old);
    throw new SpawnerError(
      "unavailable",
      `The last ${failures} backends of this key failed, and the next is not started for ${Math.ceil(leftMs / 1000)} s. ${reason}: ${message}`,
      { retryAfterSeconds: Math.ceil(leftMs / 1000) },
    );
  }

  /** Waits until nothing of it runs, so that no two write at once, and removes its record. */
  async #remove(old: Backend, untilMs: number): Promise<void> {
    const { clock, engine } = this.#deps;
    const { name, uid, resourceVersion } = old.metadata;
    while ((await engine.workloads.observe({ name, uid })).kind !== "absent") {
      if (clock.monotonicMs() >= untilMs) throw tooLong("the program of the backend before has not ended");
      await pause(clock, gonePollMs);
    }
    try {
      await engine.backends.delete({ name, uid, resourceVersion });
    } catch (error) {
      if (!isSpawnerError(error, "not_found", "conflict")) throw error; // found out when the next is made
    }
  }

  async #awaitChange(backend: Backend, untilMs: number): Promise<void> {
    const leftMs = untilMs - this.#deps.clock.monotonicMs();
    if (leftMs <= 0) throw tooLong("the backend before is about to end, and has not");
    await nextChange(this.#deps, backend, { mostMs: Math.min(leftMs, sealedPollMs) });
  }
}

function tooLong(why: string): SpawnerError {
  return new SpawnerError("unavailable", `No backend could be had within ${deadlines.connectMs / 1000} s: ${why}.`);
}
