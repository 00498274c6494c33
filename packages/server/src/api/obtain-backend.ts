import type { StatusMessage } from "@spawner/client";
import { deadlines } from "../core/deadlines.ts";
import { isSpawnerError, SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import { revocationOf } from "../core/revocations.ts";
import { runsTheSame } from "../core/spec-change.ts";
import { hasEnded, stateOf, statusMessage } from "../core/status.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { pause } from "../lib/pause.ts";
import { SharedReads } from "../lib/shared-reads.ts";
import { failuresInARow } from "./failures-in-a-row.ts";
import type { Holds } from "./holds.ts";
import type { CreateBackend } from "./limited-store.ts";
import { nextChange, sealedPollMs } from "./next-change.ts";
import type { StatusHub } from "./status-hub.ts";
import { stopBackend } from "./stop-backend.ts";
import { refuseTakenBack } from "./taken-back.ts";
import type { WantedBackend } from "./wanted-backend.ts";

export interface ObtainDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Log;
  readonly hub: StatusHub;
  readonly holds: Holds;
  readonly create: CreateBackend;
}

/** Until when a caller waits for a backend. */
interface Patience {
  readonly untilMs: number;
  /** Aborted when the caller has left, or this server is to end. */
  readonly signal: AbortSignal;
}

export interface Obtained {
  readonly backend: Backend;
  readonly spawned: boolean;
  /** Whether it runs something else than what is wanted. */
  readonly stale: boolean;
  /** How the backend before it ended, where this one takes its place and that was a failure. */
  readonly previousFailure?: StatusMessage;
}

/** How often to look whether a program is gone: doubling from the first to the second. */
const gonePollFirstMs = 20;
const gonePollMostMs = 500;

/** Gives callers the live backend of a key, or starts it. */
export class Obtainer {
  readonly #deps: ObtainDeps;
  /** By name, what is being made. Who wants it meanwhile waits for that, so that a crowd does not meet at the store. */
  readonly #making = new Map<string, Promise<Obtained | undefined>>();
  /** By how and UID: a crowd asks for an end together. */
  readonly #stops = new SharedReads<Backend>();

  constructor(deps: ObtainDeps) {
    this.#deps = deps;
  }

  /**
   * Rejects with a SpawnerError: `unavailable` where it takes longer than `deadlines.connectMs`. Or with the signal's reason, as
   * soon as something has to be waited for.
   */
  async obtain(wanted: WantedBackend, { signal }: { signal: AbortSignal }): Promise<Obtained> {
    const { clock, engine } = this.#deps;
    const patience: Patience = { untilMs: clock.monotonicMs() + deadlines.connectMs, signal };
    const { user } = wanted.spec;
    let first: { readonly revocation: string | undefined } | undefined;
    for (;;) {
      const found = wanted.key === undefined ? undefined : await engine.backends.get(wanted.name);
      first ??= { revocation: found && revocationOf(found, user) };
      if (found !== undefined) refuseTakenBack(first.revocation, found, user);
      if (found !== undefined && !hasEnded(found)) {
        refuseForeign(found, wanted);
        const stale = !runsTheSame(found.spec, wanted.spec);
        if (await this.#isToBeHad(found, wanted, stale)) return { backend: found, spawned: false, stale };
        await this.#awaitChange(found, patience);
        continue;
      }
      const made = await this.#make(found, wanted, patience);
      if (made !== undefined) return made;
      signal.throwIfAborted();
      if (clock.monotonicMs() >= patience.untilMs) throw tooLong("another caller was at it");
    }
  }

  /** Whether this live backend stays for its client. */
  async #isToBeHad(backend: Backend, { onSpecChange }: WantedBackend, isStale: boolean): Promise<boolean> {
    if (backend.spec.stopRequested) return false;
    if (isStale && onSpecChange === "now") {
      await this.#stopNow(backend);
      return false;
    }
    if (!(await this.#deps.holds.hold(backend))) return false;
    const endsWhenIdle = isStale && onSpecChange === "whenIdle" && backend.spec.stopWhenIdle !== true;
    if (endsWhenIdle) await this.#stopWhenIdle(backend);
    return true;
  }

  async #stopNow(backend: Backend): Promise<void> {
    try {
      await this.#stops.read(`now ${backend.metadata.uid}`, () =>
        stopBackend(this.#deps, backend, { reason: "Superseded" }),
      );
    } catch (error) {
      if (!isSpawnerError(error, "not_found", "conflict")) throw error; // gone or changed: looked at again
    }
  }

  /** Its caller has what was asked for: whoever comes next tries again what fails here. */
  async #stopWhenIdle({ metadata: { name, uid } }: Backend): Promise<void> {
    const { engine, log } = this.#deps;
    try {
      await this.#stops.read(`idle ${uid}`, () => engine.backends.requestStop({ name, uid }, { whenIdle: true }));
    } catch (error) {
      if (isSpawnerError(error, "not_found", "conflict")) return;
      log.warn({ backend: name, err: error }, "a stale backend could not be asked to end when idle");
    }
  }

  /** Undefined where somebody else was quicker. Whoever waits for another caller's attempt fails where that cannot be made now. */
  async #make(old: Backend | undefined, wanted: WantedBackend, patience: Patience): Promise<Obtained | undefined> {
    const { name } = wanted;
    const others = this.#making.get(name);
    if (others === undefined) {
      const making = this.#replace(old, wanted, patience).finally(() => this.#making.delete(name));
      this.#making.set(name, making);
      return making;
    }
    try {
      await others;
    } catch (error) {
      if (isSpawnerError(error, "unavailable")) throw error; // else it was that caller's request, or he has left
    }
    return undefined;
  }

  /** Removes what is left of the backend before, and makes the next. */
  async #replace(old: Backend | undefined, wanted: WantedBackend, patience: Patience): Promise<Obtained | undefined> {
    const { engine, clock, create } = this.#deps;
    const { name, key, spec } = wanted;
    // Whoever was at it before may have made it.
    const latest = key === undefined ? undefined : await engine.backends.get(name);
    if (latest !== undefined && !isVersion(latest, old)) return undefined;
    const failuresBefore = latest === undefined ? 0 : failuresInARow(latest, clock.now());
    if (latest !== undefined) await this.#remove(latest, patience);
    try {
      const backend = await create({ name, spec: failuresBefore > 0 ? { ...spec, failuresBefore } : spec });
      const previousFailure =
        latest !== undefined && stateOf(latest) === "Failed" ? { previousFailure: statusMessage(latest) } : {};
      return { backend, spawned: true, stale: false, ...previousFailure };
    } catch (error) {
      if (key !== undefined && isSpawnerError(error, "already_exists")) return undefined;
      throw error;
    }
  }

  /** Waits until nothing of it runs, so that no two write at once, and removes its record. */
  async #remove(old: Backend, { untilMs, signal }: Patience): Promise<void> {
    const { clock, engine } = this.#deps;
    const { name, uid, resourceVersion } = old.metadata;
    for (let pollMs = gonePollFirstMs; ; pollMs = Math.min(pollMs * 2, gonePollMostMs)) {
      if ((await engine.workloads.observe({ name, uid })).kind === "absent") break;
      if (clock.monotonicMs() >= untilMs) throw tooLong("the program of the backend before has not ended");
      await pause(clock, pollMs, signal);
      signal.throwIfAborted();
    }
    try {
      await engine.backends.delete({ name, uid, resourceVersion });
    } catch (error) {
      if (!isSpawnerError(error, "not_found", "conflict")) throw error; // found out when the next is made
    }
  }

  async #awaitChange(backend: Backend, { untilMs, signal }: Patience): Promise<void> {
    const leftMs = untilMs - this.#deps.clock.monotonicMs();
    if (leftMs <= 0) throw tooLong("the backend before is about to end, and has not");
    await nextChange(this.#deps, backend, { mostMs: Math.min(leftMs, sealedPollMs), signal });
  }
}

/** A name is a function of its key: whoever made this backend by hand has taken one. */
function refuseForeign({ metadata, spec }: Backend, { key }: WantedBackend): void {
  if (spec.key === key) return;
  throw new SpawnerError("already_exists", `A backend with the name ${metadata.name} lives, and is of no key.`);
}

function isVersion({ metadata }: Backend, old: Backend | undefined): boolean {
  return metadata.uid === old?.metadata.uid && metadata.resourceVersion === old.metadata.resourceVersion;
}

function tooLong(why: string): SpawnerError {
  return new SpawnerError("unavailable", `No backend could be had within ${deadlines.connectMs / 1000} s: ${why}.`);
}
