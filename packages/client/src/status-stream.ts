import { SpawnerClientError } from "./errors.ts";
import { openEvents, readEvent } from "./event-source.ts";
import { makeEventParser } from "./event-stream.ts";
import { makeLeavable } from "./leavable.ts";
import type { StatusMessage } from "./protocol.ts";
import { makePatience, type Patience, type RetryPolicy } from "./retry.ts";
import { isStatusMessage } from "./shapes.ts";
import { makeStreamPosition, type StreamPosition } from "./stream-position.ts";
import type { Transport } from "./transport.ts";

/**
 * The states of one backend, to be read once. `return()`, which a `break` calls, closes its connection at once, also while
 * a state is waited for; so does the end of an `await using`, where there is such.
 */
export interface StatusStream extends AsyncGenerator<StatusMessage, void, undefined> {
  /** Names the last state that was given: a later stream, of another process too, goes on behind it. */
  readonly lastEventId: string | undefined;
}

export interface StatusStreamConfig {
  readonly transport: Transport;
  /** Of the stream, below the transport's URL. Throws where the caller has named what can be none. */
  readonly path: () => string;
  readonly lastEventId: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly retry: RetryPolicy;
  /** Told of each failure, before it is tried again. */
  readonly onFailure?: () => void;
}

export function openStatusStream(config: StatusStreamConfig): StatusStream {
  const position = makeStreamPosition(config.lastEventId);
  const states = makeLeavable((signal) => followStates({ ...config, signal }, position), config.signal);
  return Object.defineProperty(states, "lastEventId", { get: () => position.lastEventId }) as StatusStream;
}

/** Reads one connection after the other, until the last state has come. Is left by its signal alone. */
export async function* followStates(
  config: StatusStreamConfig,
  position = makeStreamPosition(config.lastEventId),
): AsyncGenerator<StatusMessage, void, undefined> {
  const patience = makePatience(config.retry);
  while (!position.isOver) {
    try {
      yield* readConnection({ ...config, position, patience });
    } catch (error) {
      config.onFailure?.();
      await patience.pauseAfter(error, config.signal);
    }
  }
}

interface Connection extends StatusStreamConfig {
  readonly position: StreamPosition;
  readonly patience: Patience;
}

/** The states that one connection brings. Returns after the last state; throws when it ends before. */
async function* readConnection(connection: Connection): AsyncGenerator<StatusMessage, void, undefined> {
  const { transport, path, signal, position, patience, retry } = connection;
  const answer = await openEvents({ transport, path: path(), lastEventId: position.lastEventId, signal });
  patience.connected();
  const parser = makeEventParser();
  for await (const chunk of answer.chunks({ silenceMs: retry.silenceMs })) {
    for (const event of parser.push(chunk).filter(({ type }) => type === "message")) {
      const status = readEvent(event, answer, isStatusMessage);
      if (!position.advance(status, event.lastEventId)) continue;
      patience.progress();
      yield status;
      if (position.isOver) return;
    }
    patience.askedFor(parser.retryMs);
  }
  throw new SpawnerClientError("unreachable", "The status stream ended before the backend did.");
}
