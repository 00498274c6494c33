import { checkMs } from "../check-ms.ts";
import type { ClientErrorCode } from "../error-codes.ts";
import { SpawnerClientError } from "../errors.ts";
import { makeLimit } from "../limit.ts";
import { type StatusMessage, tokenParameter } from "../protocol.ts";
import { completeRetryPolicy, isTransient, makePatience, type Patience, type RetryPolicy } from "../retry.ts";
import { type Access, parseConnection, urlBelow } from "./connection.ts";
import { followGeneration, type Generation } from "./generation.ts";
import { refusalOf } from "./refusal.ts";
import type { Session, SessionEnd, SessionOptions } from "./session-options.ts";
import { openSocket, type SessionSocket, type SocketOptions } from "./session-socket.ts";
import { report, tell } from "./tell.ts";
import { until } from "./until.ts";

/**
 * Connects a page to its backend, and keeps it connected: over lost connections, servers that restart, and tokens that are
 * over. For browsers, and Node: version 20 with the `WebSocket` of `ws`.
 *
 * @example
 * const session = openSession({
 *   connect: async ({ signal }) => (await fetch("/documents/42/session", { method: "POST", signal })).json(),
 *   onEnded: ({ reason, message }) => showEnd(reason, message),
 * });
 * const socket = session.webSocket("socket", { onMessage: show });
 */
export function openSession(options: SessionOptions): Session {
  return new ConnectedSession(options);
}

class ConnectedSession implements Session {
  readonly #options: SessionOptions;
  readonly #fetch: typeof globalThis.fetch;
  readonly #timeoutMs: number;
  readonly #retry: RetryPolicy;
  readonly #patience: Patience;
  /** Aborted at the end, with the error that every call gets from then on. */
  readonly #life = new AbortController();
  #generation: Generation | undefined;
  #obtaining: Promise<Generation> | undefined;
  #status: StatusMessage | undefined;

  constructor(options: SessionOptions) {
    const { connection, signal, timeoutMs = 30_000, retry } = options;
    checkMs("timeoutMs", timeoutMs);
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    this.#retry = completeRetryPolicy({ giveUpMs: 3_600_000, ...retry });
    this.#patience = makePatience(this.#retry);
    this.#fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));
    signal?.addEventListener("abort", () => this.close(), { signal: this.#life.signal });
    if (signal?.aborted) this.close();
    else if (connection === undefined) void this.#obtain();
    else this.#enter(parseConnection(connection));
  }

  get status(): StatusMessage | undefined {
    return this.#status;
  }

  async ready({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    await this.#usable(signal);
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    checkPath(path);
    for (let isFirst = true; ; isFirst = false) {
      const access = await this.#usable(init.signal);
      const response = await this.#send(access, path, init);
      const refusal = await refusalOf(response);
      if (response.ok) this.#prove(access);
      if (refusal?.code === "unauthorized") this.#doubt(access, "refused");
      if (refusal?.code === "backend_ended") await this.#findEnd(access, refusal.message);
      // A stream can be sent but once.
      if (refusal === undefined || !isFirst || init.body instanceof ReadableStream) return response;
      await response.body?.cancel();
    }
  }

  webSocket(path: string, options: SocketOptions = {}): SessionSocket {
    checkPath(path);
    const { WebSocket = globalThis.WebSocket } = this.#options;
    if (WebSocket === undefined) throw new TypeError("There is no WebSocket here: give openSession one.");
    const deps = {
      usable: (signal: AbortSignal) => this.#usable(signal),
      suspect: (access: Access) => this.#doubt(access, "unsure"),
      prove: (access: Access) => this.#prove(access),
      WebSocket,
      retry: this.#retry,
      signal: this.#life.signal,
    };
    return openSocket(deps, path, options);
  }

  close(): void {
    this.#end(new SpawnerClientError("aborted", "The session was closed by its page."));
  }

  #doubt(access: Access, doubt: Generation["doubt"]): void {
    if (this.#generation?.access === access) this.#generation.doubt ??= doubt;
  }

  #prove({ generation }: Access): void {
    if (this.#generation?.access.generation === generation) this.#generation.wasOfUse = true;
  }

  #send({ base, token }: Access, path: string, init: RequestInit): Promise<Response> {
    const url = urlBelow(base, path);
    const headers = new Headers(init.headers);
    // The program may want one of its own.
    if (headers.has("authorization")) url.searchParams.append(tokenParameter, token);
    else headers.set("authorization", `Bearer ${token}`);
    return this.#fetch(url.href, { ...init, headers });
  }

  /** Resolves to what lets a request begin now. Rejects with the end, or with the signal's reason. */
  async #usable(signal: AbortSignal | null | undefined): Promise<Access> {
    for (;;) {
      this.#life.signal.throwIfAborted();
      const known = this.#generation;
      const generation =
        known !== undefined && isFresh(known) ? known : await until(this.#obtain(), this.#life.signal, signal);
      await until(generation.settled, this.#life.signal, signal);
      if (generation === this.#generation && isFresh(generation)) return generation.access;
    }
  }

  /** Asks for a connection; all who want one wait for the same. */
  #obtain(failure?: SpawnerClientError): Promise<Generation> {
    this.#obtaining ??= this.#connectPatiently(failure).finally(() => {
      this.#obtaining = undefined;
    });
    this.#obtaining.catch(() => {}); // who waits for it is told; the end is told to all
    return this.#obtaining;
  }

  async #connectPatiently(failure: SpawnerClientError | undefined): Promise<Generation> {
    // Without a failure to begin with, this is a new need: what failed before the last success is past.
    if (failure === undefined) this.#patience.progress();
    let error: unknown = failure;
    for (;;) {
      try {
        if (error !== undefined) await this.#patience.pauseAfter(error, this.#life.signal);
      } catch (final) {
        this.#finish({ reason: "Unreachable", message: (final as SpawnerClientError).message });
        throw final;
      }
      try {
        return this.#enter(await this.#connect());
      } catch (reason) {
        error = reason;
        const known = this.#generation;
        // Those who give connections may be away while what was connected is there, and lets in by what was given.
        if (known?.doubt !== "unsure" || !isTransient(reason)) continue;
        known.doubt = undefined;
        if (isFresh(known)) return known;
      }
    }
  }

  async #connect(): Promise<Access> {
    const limit = makeLimit("Connecting", this.#life.signal);
    limit.within(this.#timeoutMs);
    try {
      const answer = await until(this.#options.connect({ signal: limit.signal }), limit.signal);
      if (answer !== null) return parseConnection(answer);
      this.#finish({ reason: "Refused", message: "The application lets this user in no more." });
      throw this.#life.signal.reason;
    } catch (error) {
      throw limit.explain(error);
    } finally {
      limit.end();
    }
  }

  #enter(access: Access): Generation {
    const known = this.#generation;
    if (known?.access.generation === access.generation) {
      known.access = access;
      known.doubt = undefined;
      return known;
    }
    known?.leave();
    const generation = followGeneration(access, {
      fetch: this.#fetch,
      timeoutMs: this.#timeoutMs,
      retry: this.#retry,
      onStatus: (status) => this.#onStatus(generation, status),
      onEnd: (end) => this.#onEnd(generation, end),
    });
    this.#generation = generation;
    return generation;
  }

  #onStatus(generation: Generation, status: StatusMessage): void {
    if (generation !== this.#generation) return;
    this.#status = status;
    tell(this.#options.onState, status);
  }

  async #findEnd(access: Access, message: string): Promise<void> {
    const generation = this.#generation;
    if (generation?.access === access) this.#onEnd(generation, await generation.findEnd(message));
  }

  #onEnd(generation: Generation, end: SessionEnd): void {
    if (generation !== this.#generation) return;
    generation.leave();
    this.#generation = undefined;
    let isWanted = false;
    try {
      isWanted = this.#options.shouldContinue?.(end) ?? false;
    } catch (error) {
      report(error);
    }
    // One that has never been of use counts as a failed attempt.
    if (isWanted)
      void this.#obtain(generation.wasOfUse ? undefined : new SpawnerClientError("unreachable", end.message));
    else this.#finish(end);
  }

  #finish(end: SessionEnd): void {
    if (this.#end(errorOf(end))) tell(this.#options.onEnded, end);
  }

  /** False where it was over already. */
  #end(error: unknown): boolean {
    if (this.#life.signal.aborted) return false;
    this.#life.abort(error);
    this.#generation?.leave();
    return true;
  }
}

/** Before anything is waited for: where the backend is, is not known yet. */
function checkPath(path: string): void {
  urlBelow("http://localhost/session/", path);
}

function isFresh({ access, doubt }: Generation): boolean {
  return doubt === undefined && Date.now() < access.renewAtMs;
}

/** What every call rejects with from then on. */
function errorOf(end: SessionEnd): SpawnerClientError {
  const { reason, message } = end;
  const code =
    ({ Refused: "unauthorized", Unreachable: "unreachable" } as Partial<Record<string, ClientErrorCode>>)[reason] ??
    "backend_ended";
  return new SpawnerClientError(code, `The session has ended (${reason}): ${message}`, { cause: end });
}
