import { deadlines } from "../core/deadlines.ts";
import { isSpawnerError, SpawnerError } from "../core/errors.ts";
import type { HoldAnswer } from "../core/relay-host.ts";
import type { Backend } from "../core/resource.ts";
import { rankOf } from "../core/states.ts";
import { hasEnded, stateOf } from "../core/status.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import { SharedReads } from "../lib/shared-reads.ts";
import { within } from "../lib/within.ts";

/** How long a backend that is handed out stays for its client at least. */
const holdSeconds = 30;

/** Has backends promise to stay for their clients. */
export class Holds {
  readonly #deps: { readonly engine: Engine; readonly clock: Clock };
  readonly #freshReads = new SharedReads<Backend | undefined>();
  /** By UID. A crowd is held by two requests, and not by one each, which would keep a relay host busy for longer than anybody waits. */
  readonly #holds = new SharedReads<HoldAnswer>();

  constructor(deps: { readonly engine: Engine; readonly clock: Clock }) {
    this.#deps = deps;
  }

  /** Whether it has promised to stay, and nobody has asked it to end. Rejects with `unavailable` where that cannot be found out. */
  async hold(backend: Backend): Promise<boolean> {
    const { engine, clock } = this.#deps;
    const host = engine.relayHost(backend);
    if (host === undefined) {
      // One that has no place yet has nobody who could end it as idle, and will wait for its first client. One that runs
      // and has no relay host is about to be found dead.
      return rankOf(stateOf(backend)) < rankOf("Running") && isStill(backend, await this.#readFresh(backend));
    }
    try {
      const mostMs = deadlines.holdMs;
      const holding = this.#holds.read(backend.metadata.uid, () => host.hold(holdSeconds));
      const { held } = await within(holding, { clock, mostMs, what: "holding the backend" });
      // What was heard meanwhile: a stop that came before the hold has not been carried out yet.
      return held && isStill(backend, await engine.backends.get(backend.metadata.name));
    } catch (cause) {
      // It may have ended, which its record says; else nothing can be promised of it.
      if (!isStill(backend, await this.#readFresh(backend))) return false;
      if (isSpawnerError(cause)) throw cause;
      throw new SpawnerError("unavailable", `The relay host of the backend did not answer.`, { cause });
    }
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
}

function isStill({ metadata: { uid } }: Backend, latest: Backend | undefined): boolean {
  return latest?.metadata.uid === uid && !hasEnded(latest) && latest.spec.stopRequested !== true;
}
