import { backendPath, queryOf } from "./backend-path.ts";
import { openBackendWatch } from "./backend-watch.ts";
import { parseBaseUrl } from "./base-url.ts";
import { checkMs } from "./check-ms.ts";
import { SpawnerClientError } from "./errors.ts";
import { makeLeavable } from "./leavable.ts";
import { makeLimit } from "./limit.ts";
import { type LogsConfig, openLogBytes, openLogs } from "./logs.ts";
import {
  type BackendChange,
  type BackendList,
  type BackendView,
  type ConnectRequest,
  type ConnectResponse,
  errorCodes,
  type RevokeRequest,
  type SpawnRequest,
  type SpawnResponse,
  type StatusMessage,
} from "./protocol.ts";
import { completeRetryPolicy, makePatience, type RetryOptions, type RetryPolicy } from "./retry.ts";
import {
  isBackendList,
  isBackendView,
  isConnectResponse,
  isObject,
  isSpawnResponse,
  isStatusMessage,
} from "./shapes.ts";
import { openStatusStream, type StatusStream } from "./status-stream.ts";
import { makeTransport, type Transport } from "./transport.ts";

/** Where the API is, and how to speak to it. */
export interface SpawnerClientOptions {
  /** The API's URL, such as `https://example.com/api`. In a page, `/api` is that of the page's own server. */
  url: string;
  /** Bearer token of the control surface. `status`, `statusStream` and `waitUntilReady` need none. */
  token?: string | undefined;
  /** What sends the requests. Default: the global `fetch`. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Time that a request may take, a stream until its first byte. Default 30,000. */
  timeoutMs?: number | undefined;
  /** How streams notice and survive that the server is away; what is left out has its default. */
  retry?: RetryOptions | undefined;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call: it rejects with the code `aborted`. */
  signal?: AbortSignal | undefined;
}

/** Which backends are meant. */
export interface BackendFilter {
  /** Only backends that have all of these labels. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** Only backends with labels that this selects, as Kubernetes has it: `stage in (test, live), !old`. */
  selector?: string | undefined;
}

/** Which backends to list. */
export interface ListFilter extends BackendFilter {
  /** How many a page has, 1 to 500. Default 100. */
  limit?: number | undefined;
}

/** Which part of a program's output to read. */
export interface LogOptions extends CallOptions {
  /** Only the last lines, 0 to 100,000. Default: all that is kept. */
  tail?: number | undefined;
  /** Whether to go on with what the program writes, until it ends. Default: no. */
  follow?: boolean | undefined;
}

/** The longest that the API waits for a program to listen where it is asked to (`waitReady`). */
const waitReadyMs = 30_000;

/**
 * A client of one Spawner API, for browsers and Node 20 or later. It holds no connection of its own and needs no closing.
 * Every call rejects with a `SpawnerClientError`, whose `code` says what is the matter; with a `TypeError` only where an
 * argument cannot be one: an id that is no string, a time of NaN.
 *
 * @example
 * const client = new SpawnerClient({ url: "https://example.com/api", token });
 * const { name, url } = await client.spawn({ env: { DOCUMENT: "42" } });
 * await client.waitUntilReady(name);
 */
export class SpawnerClient {
  // Private fields, so that a client that is logged does not show its token.
  readonly #transport: Transport;
  readonly #retry: RetryPolicy;

  /** Throws a `TypeError` at a URL, token or time that cannot be one. */
  constructor(options: SpawnerClientOptions) {
    const baseUrl = parseBaseUrl(options?.url);
    const { token, timeoutMs = 30_000, retry = {} } = options;
    checkMs("timeoutMs", timeoutMs);
    if (token !== undefined && !(typeof token === "string" && /^[\x21-\x7e]+$/.test(token))) {
      throw new TypeError("A token has visible ASCII characters only: is there a line end or a space in it?");
    }
    this.#retry = completeRetryPolicy(retry);
    const fetch = options.fetch ?? ((...args: Parameters<typeof globalThis.fetch>) => globalThis.fetch(...args));
    this.#transport = makeTransport({ baseUrl, token, fetch, timeoutMs, errorCodes });
  }

  /**
   * Starts a backend. It is recorded when the promise resolves, and starting; its URL can be given to users at once,
   * since requests wait there until it is ready.
   *
   * Is never sent twice: after `unreachable` or `timeout` there may be a backend, which ends by itself unused.
   *
   * @example
   * const { name, url } = await client.spawn({ gracePeriodSeconds: 60 });
   */
  async spawn(request: SpawnRequest = {}, { signal }: CallOptions = {}): Promise<SpawnResponse> {
    return this.#transport.json({ method: "POST", path: "/spawn", body: request, signal }, isSpawnResponse);
  }

  /**
   * Lets a user into the one live backend of a key, which is started where there is none. What it resolves to is for that
   * user's page: its `url` as it is, or all of it, to `openSession` of `@spawner/client/session`.
   *
   * Can be called as often as one likes: with the same key it is the same backend, for as long as that lives. Rejects with
   * `unavailable`, with `retryAfterSeconds`, while the key's last backends failed one after the other.
   *
   * @example
   * const { url } = await client.connect({ key: `document-${id}`, user: "ada", auth: { mayWrite: true } });
   */
  async connect(request: ConnectRequest = {}, { signal }: CallOptions = {}): Promise<ConnectResponse> {
    const waitMs = request.waitReady ? waitReadyMs : 0;
    return this.#transport.json({ method: "POST", path: "/connect", body: request, waitMs, signal }, isConnectResponse);
  }

  /**
   * Takes back every token of a user for this backend that was made until now, or one token. Within a second nobody gets in
   * by them, and connections that were open by them are closed. A later `connect` lets the user in again.
   *
   * @example
   * await client.revoke(backend, { user: "ada" });
   */
  async revoke(id: string, revoked: RevokeRequest, { signal }: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: "POST", path: backendPath(id, "/revoke"), body: revoked, signal }, isObject);
  }

  /**
   * The state that a backend is in. Rejects with `not_found` where there is none, or its record is gone.
   *
   * @example
   * const { state } = await client.status(id);
   */
  async status(id: string, { signal }: CallOptions = {}): Promise<StatusMessage> {
    return this.#transport.json({ method: "GET", path: backendPath(id, "/status"), signal }, isStatusMessage);
  }

  /**
   * All that is known of a backend: its URL, when it was made, and each state with its time.
   *
   * @example
   * const { url, createdAt, transitions } = await client.backend(id);
   */
  async backend(id: string, { signal }: CallOptions = {}): Promise<BackendView> {
    return this.#transport.json({ method: "GET", path: backendPath(id), signal }, isBackendView);
  }

  /**
   * Each state of a backend, from the first or from behind `lastEventId`, as it is reached. Ends after the last, `Swept`
   * or `Failed`. No state comes twice and none is left out.
   *
   * A connection that is cut, silent for 45 s, or refused with 408, 429 or 5xx is made again: after 250 ms, then twice as
   * long each time up to 10 s (spread by up to a half, not before the server's Retry-After), until five minutes went by
   * without progress; then it rejects with the last failure. All of it can be set by the client's `retry`. Every other
   * refusal (`not_found`, `unauthorized`, a page that is not Spawner's) rejects at once.
   *
   * @example
   * for await (const { state, reason } of client.statusStream(id)) console.log(state, reason ?? "");
   */
  statusStream(
    id: string,
    { signal, lastEventId }: CallOptions & { lastEventId?: string | undefined } = {},
  ): StatusStream {
    const path = () => backendPath(id, "/status/stream");
    return openStatusStream({ transport: this.#transport, retry: this.#retry, path, signal, lastEventId });
  }

  /**
   * Resolves when the backend is ready. Rejects with `backend_ended` when it is over instead, with its `reason`; with
   * `timeout` after `timeoutMs` (default: no limit, since a backend that does not start fails by itself).
   * Survives a server that is away as `statusStream` does.
   *
   * @example
   * await client.waitUntilReady(id, { timeoutMs: 60_000 });
   */
  async waitUntilReady(
    id: string,
    { signal, timeoutMs }: CallOptions & { timeoutMs?: number | undefined } = {},
  ): Promise<StatusMessage> {
    // Before anything else, since what goes wrong below counts as what happens out there.
    backendPath(id);
    if (timeoutMs !== undefined) checkMs("timeoutMs", timeoutMs);
    const limit = makeLimit(`Waiting for backend ${JSON.stringify(id)} to be ready`, signal);
    limit.within(timeoutMs);
    try {
      // A stream tells of the past as well: it would call ready what has long been over.
      const now = await this.#statusPatiently(id, limit.signal);
      if (isReady(now, id)) return now;
      for await (const status of this.statusStream(id, { signal: limit.signal })) {
        // Of one that is to end, its being ready is past as well: only the end is waited for.
        if (isReady(status, id) && now.state !== "Stopping") return status;
      }
      throw new SpawnerClientError("bad_answer", "The status stream ended without a last state.");
    } catch (error) {
      throw limit.explain(error);
    } finally {
      limit.end();
    }
  }

  /**
   * Asks a backend to end, and resolves to how it stands: that it has ended, `statusStream` says, and that nothing is left
   * of it, `backend` by having no `ending` any more. One that has ended already stays as it is.
   *
   * With `graceSeconds`, its program is killed after that time at the latest, where it would have had longer; also the one of
   * a backend that has ended, while it is `ending`.
   *
   * @example
   * await client.stop(id, { graceSeconds: 5 });
   */
  async stop(
    id: string,
    { graceSeconds, signal }: CallOptions & { graceSeconds?: number | undefined } = {},
  ): Promise<BackendView> {
    const query = queryOf([["graceSeconds", graceSeconds]]);
    return this.#transport.json({ method: "DELETE", path: backendPath(id, query), signal }, isBackendView);
  }

  /**
   * One page of backends in order of their names, those that have ended and are remembered among them.
   *
   * @example
   * const { backends, continue: next } = await client.list({ labels: { team: "maps" }, limit: 50 });
   * const more = next === undefined ? [] : (await client.list({ labels: { team: "maps" }, continue: next })).backends;
   */
  async list(options: ListFilter & CallOptions & { continue?: string | undefined } = {}): Promise<BackendList> {
    const { limit, continue: after, signal } = options;
    const query = queryOf([
      ...selectorsOf(options).map((each) => ["label", each] as const),
      ["limit", limit],
      ["continue", after],
    ]);
    return this.#transport.json({ method: "GET", path: `/backends${query}`, signal }, isBackendList);
  }

  /**
   * Every backend, page by page.
   *
   * @example
   * for await (const { name, state } of client.listAll()) console.log(name, state);
   */
  listAll(options: ListFilter & CallOptions = {}): AsyncGenerator<BackendView, void, undefined> {
    return makeLeavable((signal) => this.#pages({ ...options, signal }), options.signal);
  }

  /**
   * Every backend that there is, as `added`, then `synced`, and from then on each that is `added`, `changed` or `deleted`,
   * until it is left. With a selection, one that is not among it any more is `deleted`.
   *
   * Goes on over connections that are lost, as `statusStream` does: what has changed meanwhile is told when there is one again,
   * and nothing twice. What a backend has been in between may be left out; its `transitions` have it. That a program which is
   * over has gone is not told here (`ending` of `backend`).
   *
   * @example
   * const shown = new Map();
   * for await (const change of client.watchBackends({ labels: { team: "maps" } })) {
   *   if (change.type === "deleted") shown.delete(change.backend.name);
   *   else if (change.type !== "synced") shown.set(change.backend.name, change.backend);
   * }
   */
  watchBackends(options: BackendFilter & CallOptions = {}): AsyncGenerator<BackendChange, void, undefined> {
    const selectors = selectorsOf(options);
    return openBackendWatch({ transport: this.#transport, retry: this.#retry, selectors, signal: options.signal });
  }

  async *#pages(options: ListFilter & CallOptions): AsyncGenerator<BackendView, void, undefined> {
    let after: string | undefined;
    do {
      const page = await this.list(after === undefined ? options : { ...options, continue: after });
      yield* page.backends;
      if (page.continue !== undefined && page.continue === after) {
        throw new SpawnerClientError("bad_answer", `The list does not get on: ${JSON.stringify(after)} came twice.`);
      }
      after = page.continue;
    } while (after !== undefined);
  }

  /**
   * What the program wrote to stdout and stderr, as text. It is readable after the program's end while the record is kept.
   * A connection that is cut is not made again, since nothing says how far it had come: it rejects with `unreachable`.
   *
   * With `follow`, a program that writes nothing keeps the connection silent. Node's own `fetch` ends one after five
   * minutes: give the client another one where programs are quieter.
   *
   * @example
   * for await (const text of client.logs(id, { tail: 100, follow: true })) process.stdout.write(text);
   */
  logs(id: string, options: LogOptions = {}): AsyncGenerator<string, void, undefined> {
    return openLogs(this.#transport, this.#logsConfig(id, options));
  }

  /**
   * The same as `logs`, byte for byte as the program wrote it.
   *
   * @example
   * for await (const bytes of client.logBytes(id)) await file.write(bytes);
   */
  logBytes(id: string, options: LogOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    return openLogBytes(this.#transport, this.#logsConfig(id, options));
  }

  #logsConfig(id: string, { tail, follow = false, signal }: LogOptions): LogsConfig {
    return { id, tail, follow, silenceMs: this.#retry.silenceMs, signal };
  }

  async #statusPatiently(id: string, signal: AbortSignal): Promise<StatusMessage> {
    const patience = makePatience(this.#retry);
    for (;;) {
      try {
        return await this.status(id, { signal });
      } catch (error) {
        await patience.pauseAfter(error, signal);
      }
    }
  }
}

function selectorsOf({ labels = {}, selector }: BackendFilter): string[] {
  const exact = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return selector === undefined ? exact : [...exact, selector];
}

/** Throws `backend_ended` where it never will be, any more. */
function isReady({ state, reason, message }: StatusMessage, id: string): boolean {
  if (state !== "Swept" && state !== "Failed") return state === "Ready";
  const text = `Backend ${JSON.stringify(id)} ended before it was ready (${reason ?? state}): ${message ?? ""}`;
  throw new SpawnerClientError("backend_ended", text, { reason });
}
