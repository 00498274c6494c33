import type { StatusMessage } from "@spawner/client";
import { deadlines } from "../core/deadlines.ts";
import { isSpawnerError, SpawnerError } from "../core/errors.ts";
import type { HoldAnswer } from "../core/relay-host.ts";
import type { Backend } from "../core/resource.ts";
import { runsTheSame } from "../core/spec-change.ts";
import { rankOf } from "../core/states.ts";
import { hasEnded, stateOf, statusMessage } from "../core/status.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import { pause } from "../lib/pause.ts";
import { SharedReads } from "../lib/shared-reads.ts";
import { within } from "../lib/within.ts";
import { failuresInARow } from "./failures-in-a-row.ts";
import type { CreateBackend } from "./limited-store.ts";
import { nextChange } from "./next-change.ts";
import type { StatusHub } from "./status-hub.ts";
import type { WantedBackend } from "./wanted-backend.ts";

export interface ObtainDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly hub: StatusHub;
  readonly create: CreateBackend;
}

export interface Obtained {
  readonly backend: Backend;
  readonly spawned: boolean;
  /** Whether it runs something else than what is wanted. */
  readonly stale: boolean;
  /** How the backend before it ended, where this one takes its place and that was a failure. */
  readonly previousFailure?: StatusMessage;
}

/** How long a backend that is handed out stays for its client at least. */
const holdSeconds = 30;
/** A seal may be lifted without a change of the record. */
const sealedPollMs = 250;
/** How often to look whether a program is gone: doubling from the first to the second. */
const gonePollFirstMs = 20;
const gonePollMostMs = 500;

/** Gives callers the live backend of a key, or starts it. */
export class Obtainer {
  readonly #deps: ObtainDeps;
  /** By name, what is being made. Who wants it meanwhile waits for that, so that a crowd does not meet at the store. */
  readonly #making = new Map<string, Promise<Obtained | undefined>>();
  readonly #freshReads = new SharedReads<Backend | undefined>();
  /** By UID. A crowd is held by two requests, and not by one each, which would keep a relay host busy for longer than anybody waits. */
  readonly #holds = new SharedReads<HoldAnswer>();

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
        refuseForeign(found, wanted);
        const stale = !runsTheSame(found.spec, wanted.spec);
        if (await this.#isToBeHad(found, wanted, stale)) return { backend: found, spawned: false, stale };
        await this.#awaitChange(found, untilMs);
        continue;
      }
      const made = await this.#make(found, wanted, untilMs);
      if (made !== undefined) return made;
      if (clock.monotonicMs() >= untilMs) throw tooLong("another caller was at it");
    }
  }

  /** Whether this live backend stays for its client. */
  async #isToBeHad(backend: Backend, { onSpecChange }: WantedBackend, isStale: boolean): Promise<boolean> {
    if (backend.spec.stopRequested) return false;
    if (isStale && onSpecChange === "now") {
      await this.#stop(backend, { reason: "Superseded" });
      return false;
    }
    if (!(await this.#hold(backend))) return false;
    const endsWhenIdle = isStale && onSpecChange === "whenIdle" && backend.spec.stopWhenIdle !== true;
    if (endsWhenIdle) await this.#stop(backend, { whenIdle: true });
    return true;
  }

  /** Whether it has promised to stay, and nobody has asked it to end. Rejects where that cannot be found out. */
  async #hold(backend: Backend): Promise<boolean> {
    const { engine, clock } = this.#deps;
    const host = engine.relayHost(backend);
    if (host === undefined) {
      // One that has no place yet has nobody who could end it as idle, and will wait for its first client. One that runs
      // and has no relay host is about to be found dead.
      return rankOf(stateOf(backend)) < rankOf("Running") && this.#isStill(backend, await this.#readFresh(backend));
    }
    try {
      const mostMs = deadlines.holdMs;
      const holding = this.#holds.read(backend.metadata.uid, () => host.hold(holdSeconds));
      const { held } = await within(holding, { clock, mostMs, what: "holding the backend" });
      // What was heard meanwhile: a stop that came before the hold has not been carried out yet.
      return held && this.#isStill(backend, await engine.backends.get(backend.metadata.name));
    } catch (cause) {
      // It may have ended, which its record says; else nothing can be promised of it.
      if (!this.#isStill(backend, await this.#readFresh(backend))) return false;
      if (isSpawnerError(cause)) throw cause;
      throw new SpawnerError("unavailable", `The relay host of the backend did not answer.`, { cause });
    }
  }

  #isStill({ metadata: { uid } }: Backend, latest: Backend | undefined): boolean {
    return latest?.metadata.uid === uid && !hasEnded(latest) && latest.spec.stopRequested !== true;
  }

  async #readFresh({ metadata: { name } }: Backend): Promise<Backend | undefined> {
    const { engine, clock } = this.#deps;
    const reading = this.#freshReads.read(name, () => engine.backends.get(name, { fresh: true }));
    try {
      return await within(reading, { clock, mostMs: deadlines.freshReadMs, what: "reading the backend" });
    } catch (cause) {
      if (isSpawnerError(cause)) throw cause;
      throw new SpawnerError("unavailable", "The backend could not be read in time.", { cause });
    }
  }

  async #stop({ metadata: { name, uid } }: Backend, how: { whenIdle: true } | { reason: "Superseded" }): Promise<void> {
    try {
      await this.#deps.engine.backends.requestStop({ name, uid }, how);
    } catch (error) {
      if (!isSpawnerError(error, "not_found", "conflict")) throw error; // gone or changed: looked at again
    }
  }

  /** Undefined where somebody else was quicker. Whoever waits for another caller's attempt fails where that cannot be made now. */
  async #make(old: Backend | undefined, wanted: WantedBackend, untilMs: number): Promise<Obtained | undefined> {
    const { name } = wanted;
    const others = this.#making.get(name);
    if (others === undefined) {
      const making = this.#replace(old, wanted, untilMs).finally(() => this.#making.delete(name));
      this.#making.set(name, making);
      return making;
    }
    try {
      await others;
    } catch (error) {
      if (isSpawnerError(error, "unavailable")) throw error; // else it was that caller's request
    }
    return undefined;
  }

  /** Removes what is left of the backend before, and makes the next. */
  async #replace(old: Backend | undefined, wanted: WantedBackend, untilMs: number): Promise<Obtained | undefined> {
    const { engine, clock, create } = this.#deps;
    const { name, key, spec } = wanted;
    // Whoever was at it before may have made it.
    const latest = key === undefined ? undefined : await engine.backends.get(name);
    if (latest !== undefined && !isVersion(latest, old)) return undefined;
    const failuresBefore = latest === undefined ? 0 : failuresInARow(latest, clock.now());
    if (latest !== undefined) await this.#remove(latest, untilMs);
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
  async #remove(old: Backend, untilMs: number): Promise<void> {
    const { clock, engine } = this.#deps;
    const { name, uid, resourceVersion } = old.metadata;
    for (let pollMs = gonePollFirstMs; ; pollMs = Math.min(pollMs * 2, gonePollMostMs)) {
      if ((await engine.workloads.observe({ name, uid })).kind === "absent") break;
      if (clock.monotonicMs() >= untilMs) throw tooLong("the program of the backend before has not ended");
      await pause(clock, pollMs);
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
