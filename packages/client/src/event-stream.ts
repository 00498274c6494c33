import { SpawnerClientError } from "./errors.ts";

/** One event as the WHATWG's HTML standard defines it. */
export interface ServerSentEvent {
  readonly type: string;
  readonly data: string;
  /** The last `id` up to and with this event; empty where there was none. */
  readonly lastEventId: string;
}

export interface EventParser {
  /** The events that these bytes complete. Throws `bad_answer` at an event that is larger than any state. */
  push(bytes: Uint8Array): ServerSentEvent[];
  /** What the stream's last `retry` field asked for. */
  readonly retryMs: number | undefined;
}

/** Far more than a state with its message needs; bounds what a stream that never ends a line can make us keep. */
const eventCharactersMax = 1024 * 1024;

/**
 * Parses `text/event-stream`, however it is cut into chunks. What is incomplete when the stream ends is no event.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export function makeEventParser(): EventParser {
  const decoder = new TextDecoder(); // takes the byte order mark away, as the standard wants it
  let line = "";
  let endedInCr = false;
  let type = "";
  let data = "";
  let lastEventId = "";
  let retryMs: number | undefined;

  const setField = (name: string, value: string) => {
    if (name === "event") type = value;
    else if (name === "data") data += `${value}\n`;
    else if (name === "id" && !value.includes("\0")) lastEventId = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) retryMs = Number(value);
  };
  const takeLine = (text: string): ServerSentEvent | undefined => {
    if (text === "") return dispatch();
    const colon = text.indexOf(":");
    if (colon === -1) setField(text, "");
    else setField(text.slice(0, colon), text.slice(text[colon + 1] === " " ? colon + 2 : colon + 1));
    return undefined;
  };
  const dispatch = (): ServerSentEvent | undefined => {
    const event = data === "" ? undefined : { type: type || "message", data: data.slice(0, -1), lastEventId };
    type = "";
    data = "";
    return event;
  };

  return {
    get retryMs() {
      return retryMs;
    },
    push(bytes) {
      let text = decoder.decode(bytes, { stream: true });
      if (text === "") return [];
      if (endedInCr && text.startsWith("\n")) text = text.slice(1);
      endedInCr = text.endsWith("\r");
      const [first = "", ...rest] = text.split(/\r\n|\r|\n/);
      const lines = [line + first, ...rest];
      line = lines.pop() ?? "";
      const events = lines.map(takeLine).filter((event) => event !== undefined);
      if (line.length + data.length > eventCharactersMax) {
        throw new SpawnerClientError("bad_answer", `An event has more than ${eventCharactersMax} characters.`);
      }
      return events;
    },
  };
}
