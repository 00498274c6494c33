import { SpawnerError } from "../../core/errors.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import { type KubeClient, KubeError } from "./kube-client.ts";
import type { KubeObject, KubeStatus } from "./objects.ts";

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes */
export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: KubeObject;
}

/** The server ends a watch after about this long, each at a time of its own, so that not all come back at once. */
const leastWatchSeconds = 240;
/** Bookmarks come once a minute: a stream on which nothing does is half-open, or waits for a version that never comes. */
export const watchSilenceMs = 90_000;
/** An object, of 1.5 MB at most in etcd, as JSON. */
const lineBytesMax = 64 * 1024 * 1024;

export interface WatchOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** Everything after this is told. */
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
}

/** Nothing was heard for `watchSilenceMs`. */
export class WatchSilence extends Error {
  constructor() {
    super(`nothing was heard for ${watchSilenceMs / 1000} s`);
  }
}

/**
 * The events of one watch, until the server ends it, which it may at any time, or the signal does. Throws a KubeError
 * where the server refuses, also in the midst of it (410: what came after the version is forgotten), a WatchSilence, and
 * `unavailable` where the connection breaks.
 */
export async function* watchEvents(options: WatchOptions): AsyncGenerator<WatchEvent> {
  const { client, clock, path, query, resourceVersion, signal } = options;
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal.reason);
  signal.addEventListener("abort", onAbort);
  let silence: Timer | undefined;
  const heard = () => {
    silence?.cancel();
    silence = clock.after(watchSilenceMs, () => stop.abort(new WatchSilence()));
  };
  try {
    signal.throwIfAborted();
    heard();
    const timeoutSeconds = Math.floor(leastWatchSeconds * (1 + Math.random()));
    const stream = await client.stream({
      method: "GET",
      path,
      query: { ...query, watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds },
      signal: stop.signal,
    });
    for await (const line of linesOf(stream, heard)) yield parseEvent(line);
    if (stop.signal.reason instanceof WatchSilence) throw stop.signal.reason;
  } finally {
    (silence as Timer | undefined)?.cancel();
    signal.removeEventListener("abort", onAbort);
    stop.abort();
  }
}

/** Whole lines; a last one that was cut is dropped. Lines end at a byte that no UTF-8 character has within it. */
async function* linesOf(stream: AsyncIterable<Uint8Array>, heard: () => void): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    heard();
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = Buffer.concat([...parts, chunk.subarray(start, end)]).toString();
      parts = [];
      bytes = 0;
      start = end + 1;
      if (line.trim() !== "") yield line;
    }
    parts.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > lineBytesMax) throw unreadable(`a line of it has more than ${lineBytesMax} bytes`);
  }
}

function parseEvent(line: string): WatchEvent {
  const { type, object } = parseJson(line) as { type: WatchEvent["type"] | "ERROR"; object: KubeObject & KubeStatus };
  if (type !== "ERROR") return { type, object };
  throw new KubeError({
    status: object.code ?? 500,
    reason: object.reason ?? "Unknown",
    message: object.message ?? "the watch failed",
  });
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw unreadable("a line of it is not JSON", cause);
  }
}

function unreadable(why: string, cause?: unknown): SpawnerError {
  return new SpawnerError("unavailable", `The API server's watch cannot be read: ${why}.`, { cause });
}
