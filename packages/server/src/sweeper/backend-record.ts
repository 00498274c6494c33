import { isSpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded, type StatusPatch, stateOf } from "../core/status.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { within } from "../lib/within.ts";

export interface RecordDeps {
  engine: Engine;
  clock: Clock;
  log: Log;
}

/** A backend's record as the sweeper knows it, and its writes to it. */
export class BackendRecord {
  readonly #deps: RecordDeps;
  #backend: Backend;

  constructor(backend: Backend, deps: RecordDeps) {
    this.#backend = backend;
    this.#deps = deps;
  }

  /** As last heard. */
  get backend(): Backend {
    return this.#backend;
  }

  heard(backend: Backend): void {
    this.#backend = backend;
  }

  /**
   * Whether the backend is still there and has not ended, by the store itself, which is known to answer then. Rejects where it
   * does not within `mostMs`.
   */
  async isAlive({ mostMs }: { mostMs: number }): Promise<boolean> {
    const { engine, clock } = this.#deps;
    const { name, uid } = this.#backend.metadata;
    const reading = engine.backends.get(name, { fresh: true });
    const stored = await within(reading, { clock, mostMs, what: "reading the backend" });
    return stored?.metadata.uid === uid && !hasEnded(stored);
  }

  /**
   * Writes what `build` makes of the present version; somebody else's write in between is taken into account. Rejects after
   * `mostMs`, and where the store fails: it may have been written all the same, or still be.
   */
  async write(build: (backend: Backend) => StatusPatch | undefined, { mostMs }: { mostMs: number }): Promise<void> {
    const { engine, clock, log } = this.#deps;
    const untilMs = clock.monotonicMs() + mostMs;
    for (;;) {
      const patch = build(this.#backend);
      if (patch === undefined) return;
      const { name, uid, resourceVersion } = this.#backend.metadata;
      try {
        const target = { name, uid, resourceVersion };
        const before = stateOf(this.#backend);
        this.#backend = await this.#until(untilMs, () => engine.backends.patchStatus(target, patch));
        const state = stateOf(this.#backend);
        log[state === before ? "debug" : "info"]({ backend: name, state }, "backend changed");
        return;
      } catch (error) {
        if (isSpawnerError(error, "not_found")) return; // deleted: the watch will say so
        if (!isSpawnerError(error, "conflict")) throw error;
        const stored = await this.#until(untilMs, () => engine.backends.get(name));
        if (stored?.metadata.uid !== uid) return;
        this.#backend = stored;
      }
    }
  }

  /** A call is not begun when its time is over, and not waited for any longer. */
  #until<Result>(untilMs: number, call: () => Promise<Result>): Promise<Result> {
    const { clock } = this.#deps;
    const mostMs = untilMs - clock.monotonicMs();
    if (mostMs <= 0) return Promise.reject(new Error("writing the status took too long"));
    return within(call(), { clock, mostMs, what: "writing the status" });
  }
}
