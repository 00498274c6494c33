import { SpawnerClientError } from "./errors.ts";
import { type Limit, makeLimit } from "./limit.ts";
import type { ErrorCode } from "./protocol.ts";
import { isErrorBody } from "./shapes.ts";

interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below the API's URL, encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Time that the server takes by being asked to wait, beyond what any request may take. */
  readonly waitMs?: number;
  readonly signal: AbortSignal | undefined;
}

export interface TransportConfig {
  readonly baseUrl: string;
  readonly token: string | undefined;
  readonly fetch: typeof globalThis.fetch;
  readonly timeoutMs: number;
  /** Those that an answer of the API may have: an error with another one is somebody else's. */
  readonly errorCodes: readonly ErrorCode[];
}

/** How long a body may pause; undefined: for any time. */
interface Silence {
  readonly silenceMs: number | undefined;
}

/** An answer with a status of 200 to 299 whose body is still to come: `chunks` must be read, or ended. */
export interface OpenAnswer {
  readonly contentType: string;
  /**
   * The body. Rejects with `unreachable` when it is cut, with `timeout` when nothing comes for `silenceMs`; without
   * `silence`, when the request as a whole takes too long.
   */
  chunks(silence?: Silence): AsyncGenerator<Uint8Array, void, undefined>;
  /** The error for an answer that is not what was asked for. */
  unexpected(what: string): SpawnerClientError;
}

/** Sends requests to one API. Everything rejects with a SpawnerClientError. */
export interface Transport {
  /** Resolves when the head of the answer is there. */
  open(call: Call): Promise<OpenAnswer>;
  /** The whole answer. Rejects with `bad_answer` where it is not what `isExpected`. */
  json<Answer>(call: Call, isExpected: (value: unknown) => value is Answer): Promise<Answer>;
}

/** More than the longest page of backends has. */
const answerBytesMax = 32 * 1024 * 1024;

export function makeTransport(config: TransportConfig): Transport {
  return {
    open: (call) => open(call, config),
    async json(call, isExpected) {
      const answer = await open({ ...call, headers: { accept: "application/json", ...call.headers } }, config);
      const value = parseJson(await readText(answer.chunks(), answer));
      if (isExpected(value)) return value;
      throw answer.unexpected("something else than was asked for");
    },
  };
}

async function open(
  call: Call,
  { baseUrl, token, fetch, timeoutMs, errorCodes }: TransportConfig,
): Promise<OpenAnswer> {
  const { method, path, body, waitMs = 0, signal } = call;
  const url = `${baseUrl}${path}`;
  const headers = new Headers(call.headers);
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  if (body !== undefined) headers.set("content-type", "application/json");
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const limit = makeLimit(`${method} ${url}`, signal);
  limit.within(timeoutMs + waitMs);
  try {
    const init = { method, headers, signal: limit.signal, cache: "no-store", redirect: "manual", ...sent } as const;
    const response = await fetch(url, init);
    const answer = makeAnswer(response, { action: `${method} ${url}`, limit });
    if (response.ok) return answer;
    const redirection = redirectionOf(response, `${method} ${url}`);
    if (redirection !== undefined) throw redirection;
    const text = await readText(answer.chunks(), answer);
    throw refusalOf(response, text, errorCodes) ?? answer.unexpected(`no error of Spawner's${quote(text)}`);
  } catch (error) {
    limit.end();
    throw limit.explain(error);
  }
}

function makeAnswer(response: Response, { action, limit }: { action: string; limit: Limit }): OpenAnswer {
  const { status } = response;
  const contentType = (response.headers.get("content-type") ?? "").toLowerCase();
  return {
    contentType,
    chunks: (silence) => readBody(response, { limit, silence }),
    unexpected(what) {
      limit.end();
      const said = `${action} was answered with status ${status} (${contentType || "no content type"}) and ${what}`;
      return new SpawnerClientError("bad_answer", `${said}. Is this the URL of a Spawner API?`, {
        status,
        retryAfterSeconds: retryAfterSecondsOf(response),
      });
    },
  };
}

async function* readBody(
  { body }: Response,
  { limit, silence }: { limit: Limit; silence: Silence | undefined },
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body?.getReader();
  try {
    for (;;) {
      if (silence !== undefined) limit.within(silence.silenceMs);
      const part = await reader?.read();
      // While the caller works on what it has got, it is not the server that is slow.
      if (silence !== undefined) limit.within(undefined);
      if (part?.value === undefined) return;
      yield part.value;
    }
  } catch (error) {
    throw limit.explain(error);
  } finally {
    limit.end();
  }
}

async function readText(chunks: AsyncIterable<Uint8Array>, answer: OpenAnswer): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw answer.unexpected(`more than ${answerBytesMax} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The error for an answer that leads somewhere else. What is sent holds secrets, which are for the one server. */
function redirectionOf({ type, status, headers }: Response, action: string): SpawnerClientError | undefined {
  const location = headers.get("location");
  const isSeen = status >= 300 && status < 400 && location !== null;
  // Browsers show neither status nor headers of one: https://fetch.spec.whatwg.org/#concept-filtered-response-opaque-redirect
  if (!isSeen && type !== "opaqueredirect") return undefined;
  const target = location === null ? "another address" : JSON.stringify(location.slice(0, 200));
  const text = `${action} was redirected to ${target}, and redirects are not followed: the client needs the API's own URL.`;
  return new SpawnerClientError("bad_answer", text, { status: status || undefined });
}

/** The error that the API itself says; undefined where somebody else has answered. */
function refusalOf(response: Response, text: string, codes: readonly ErrorCode[]): SpawnerClientError | undefined {
  const body = parseJson(text);
  if (!isErrorBody(body, codes)) return undefined;
  const { code, message, id } = body;
  return new SpawnerClientError(code, message, {
    status: response.status,
    id,
    retryAfterSeconds: retryAfterSecondsOf(response),
  });
}

/** Retry-After in its form of seconds (RFC 9110, 10.2.3); Spawner sends no dates. */
function retryAfterSecondsOf({ headers }: Response): number | undefined {
  const text = headers.get("retry-after") ?? "";
  return /^[0-9]+$/.test(text) ? Number(text) : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // which is no answer of the API's
  }
}

function quote(text: string): string {
  const start = text.slice(0, 200).replace(/\s+/g, " ").trim();
  return start === "" ? "" : `: ${JSON.stringify(start)}`;
}
