import { queryOf } from "./backend-path.ts";
import { SpawnerClientError } from "./errors.ts";
import { openEvents, readEvent } from "./event-source.ts";
import { makeEventParser, type ServerSentEvent } from "./event-stream.ts";
import { makeLeavable } from "./leavable.ts";
import type { BackendChange, BackendView } from "./protocol.ts";
import { makePatience, type Patience, type RetryPolicy } from "./retry.ts";
import { isBackendView, isObject } from "./shapes.ts";
import type { OpenAnswer, Transport } from "./transport.ts";

export interface BackendWatchConfig {
  readonly transport: Transport;
  /** Label selectors, each of which has to be met. */
  readonly selectors: readonly string[];
  readonly signal: AbortSignal | undefined;
  readonly retry: RetryPolicy;
}

export function openBackendWatch(config: BackendWatchConfig): AsyncGenerator<BackendChange, void, undefined> {
  return makeLeavable((signal) => followBackends({ ...config, signal }), config.signal);
}

/** One connection after the other, until it is left. */
async function* followBackends(config: BackendWatchConfig): AsyncGenerator<BackendChange, void, undefined> {
  const known = new KnownBackends();
  const patience = makePatience(config.retry);
  for (;;) {
    try {
      yield* readConnection(config, { known, patience });
    } catch (error) {
      await patience.pauseAfter(error, config.signal);
    }
  }
}

/** Never returns: throws when the connection ends. */
async function* readConnection(
  { transport, selectors, signal, retry }: BackendWatchConfig,
  { known, patience }: { known: KnownBackends; patience: Patience },
): AsyncGenerator<BackendChange, void, undefined> {
  const path = `/backends${queryOf([["watch", "true"], ...selectors.map((each) => ["label", each] as const)])}`;
  const answer = await openEvents({ transport, path, lastEventId: undefined, signal });
  patience.connected();
  known.beginAnew();
  const parser = makeEventParser();
  for await (const chunk of answer.chunks({ silenceMs: retry.silenceMs })) {
    for (const event of parser.push(chunk)) {
      patience.progress();
      yield* known.take(event, answer);
    }
  }
  throw new SpawnerClientError("unreachable", "The stream of backends ended.");
}

/** What the reader has been told of, over all connections: each of them begins with everything. */
class KnownBackends {
  readonly #known = new Map<string, BackendView>();
  /** Of those that are known, the ones that this connection has not told of. */
  #unconfirmed = new Set<string>();
  #hasSynced = false;

  beginAnew(): void {
    this.#unconfirmed = new Set(this.#known.keys());
  }

  /** What an event changes of what is known. */
  *take(event: ServerSentEvent, answer: OpenAnswer): Generator<BackendChange, void, undefined> {
    switch (event.type) {
      case "added":
      case "changed":
        return yield* this.#put(readEvent(event, answer, isBackendView));
      case "deleted":
        return yield* this.#remove(readEvent(event, answer, isBackendView).name);
      case "synced":
        return yield* this.#sync();
      case "closed": {
        const { message } = readEvent(event, answer, isObject) as { message?: unknown };
        throw new SpawnerClientError("unreachable", `The stream of backends was closed: ${message}`);
      }
      default: // of a later release
    }
  }

  *#put(backend: BackendView): Generator<BackendChange, void, undefined> {
    const { name, generation } = backend;
    this.#unconfirmed.delete(name);
    if (this.#known.has(name) && this.#known.get(name)?.generation !== generation) yield* this.#remove(name);
    const before = this.#known.get(name);
    this.#known.set(name, backend);
    if (before === undefined) yield { type: "added", backend };
    else if (JSON.stringify(before) !== JSON.stringify(backend)) yield { type: "changed", backend };
  }

  *#remove(name: string): Generator<BackendChange, void, undefined> {
    const backend = this.#known.get(name);
    this.#known.delete(name);
    this.#unconfirmed.delete(name);
    if (backend !== undefined) yield { type: "deleted", backend };
  }

  /** What this connection has not told of went while there was none. */
  *#sync(): Generator<BackendChange, void, undefined> {
    for (const name of this.#unconfirmed) yield* this.#remove(name);
    if (this.#hasSynced) return;
    this.#hasSynced = true;
    yield { type: "synced" };
  }
}
