import { backendPath, queryOf } from "./backend-path.ts";
import { makeLeavable } from "./leavable.ts";
import type { Transport } from "./transport.ts";

export interface LogsConfig {
  readonly id: string;
  readonly tail: number | undefined;
  readonly follow: boolean;
  /** How long a server may pause that has all there is. One that follows a quiet program has nothing to say. */
  readonly silenceMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What the program wrote, byte for byte. */
export function openLogBytes(transport: Transport, config: LogsConfig): AsyncGenerator<Uint8Array, void, undefined> {
  return makeLeavable((signal) => readLogs(transport, { ...config, signal }), config.signal);
}

/** The same as text: UTF-8, wherever it was cut; what is no UTF-8 becomes U+FFFD. */
export function openLogs(transport: Transport, config: LogsConfig): AsyncGenerator<string, void, undefined> {
  return makeLeavable((signal) => decodeUtf8(readLogs(transport, { ...config, signal })), config.signal);
}

async function* readLogs(
  transport: Transport,
  { id, tail, follow, silenceMs, signal }: LogsConfig,
): AsyncGenerator<Uint8Array, void, undefined> {
  const query = queryOf([
    ["tail", tail],
    ["follow", follow ? "true" : undefined],
  ]);
  const answer = await transport.open({ method: "GET", path: backendPath(id, `/logs${query}`), signal });
  if (!answer.contentType.startsWith("text/plain")) throw answer.unexpected("no log");
  yield* answer.chunks({ silenceMs: follow ? undefined : silenceMs });
}

async function* decodeUtf8(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // a log has no byte order mark to be taken away
  for await (const chunk of chunks) {
    const text = decoder.decode(chunk, { stream: true });
    if (text !== "") yield text;
  }
  const rest = decoder.decode();
  if (rest !== "") yield rest;
}
