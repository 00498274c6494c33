import type { ServerSentEvent } from "./event-stream.ts";
import type { OpenAnswer, Transport } from "./transport.ts";

interface EventRequest {
  readonly transport: Transport;
  /** Of the stream, below the transport's URL. */
  readonly path: string;
  readonly lastEventId: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Asks for a stream of events. Rejects with `bad_answer` where it is none. */
export async function openEvents({ transport, path, lastEventId, signal }: EventRequest): Promise<OpenAnswer> {
  const type = "text/event-stream";
  const headers = { accept: type, ...(lastEventId && { "last-event-id": lastEventId }) };
  const answer = await transport.open({ method: "GET", path, headers, signal });
  if (answer.contentType.startsWith(type)) return answer;
  throw answer.unexpected("no event stream");
}

/** What an event tells. Throws `bad_answer` where it is not what `isExpected`. */
export function readEvent<Data>(
  { data }: ServerSentEvent,
  answer: OpenAnswer,
  isExpected: (value: unknown) => value is Data,
): Data {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    // which is not what was expected either
  }
  if (isExpected(value)) return value;
  throw answer.unexpected(`an unknown event: ${JSON.stringify(data.slice(0, 200))}`);
}
