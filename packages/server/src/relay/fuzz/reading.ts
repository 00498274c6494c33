import type { BodyFraming } from "../body-framing.ts";
import { requestFraming, responseFraming } from "../framing.ts";
import type { MessageHead } from "../message-head.ts";
import { hasWholeHead, parseRequestHead, parseResponseHead } from "../parse-head.ts";
import { RelayProblem } from "../problem.ts";
import { ResponseHead } from "../response-head.ts";

/** What comes over one connection from one side. */
export interface Stream {
  readonly kind: "request" | "response";
  readonly bytes: Buffer;
  /** Where the bytes are cut into pieces, in order. */
  readonly cuts: readonly number[];
  /** Where these are responses: the requests that they answer, one after the other; what follows answers the last one. */
  readonly requests: Buffer;
}

export interface ReadMessage {
  readonly head: MessageHead;
  /** Where it starts (with the empty lines before it), where its head ends, and where it does; undefined: not in these bytes. */
  readonly from: number;
  readonly headEnd: number;
  end: number | undefined;
  readonly isUntilClose: boolean;
}

export interface Reading {
  readonly messages: readonly ReadMessage[];
  /** Why nothing more is taken; undefined where more is waited for. */
  readonly refusal: RelayProblem | undefined;
  /** Whether the last message is the last one on its connection. */
  readonly isOver: boolean;
}

const limits = { headBytesMax: 32_768, headerCountMax: 128 };

/** Reads a stream by the functions that the relay reads it by, in the pieces that it comes in. */
export function readAsRelay(stream: Stream): Reading {
  const { bytes } = stream;
  const messages: ReadMessage[] = [];
  const methods = methodsIn(stream.requests);
  let body: BodyFraming | undefined;
  let isOver = false;
  let from = 0;
  let at = 0;

  const readBody = (message: ReadMessage, framing: BodyFraming, until: number): void => {
    at += framing.read(bytes.subarray(at, until), 0);
    if (!framing.isDone) return;
    message.end = at;
    from = at;
    body = undefined;
    isOver = !message.head.keepsAlive && !isInterim(message.head);
  };
  const readHead = (until: number): boolean => {
    // RFC 9112 2.2, as ClientConnection has it.
    while (stream.kind === "request" && until - at >= 2 && bytes[at] === 0x0d && bytes[at + 1] === 0x0a) at += 2;
    const come = bytes.subarray(at, until);
    if (!hasWholeHead(come, limits)) return false;
    const { head, framing } = judge(stream.kind, come, methodOf(methods, messages));
    at += head.length;
    messages.push({ head, from, headEnd: at, end: undefined, isUntilClose: framing?.isUntilClose ?? false });
    body = framing;
    if (framing === undefined) isOver = true;
    return framing !== undefined;
  };

  try {
    for (const until of [...stream.cuts, bytes.length]) {
      while (!isOver) {
        const message = messages.at(-1);
        if (body === undefined && !readHead(until)) break;
        const current = body === undefined ? message : messages.at(-1);
        if (body === undefined || current === undefined) continue;
        readBody(current, body, until);
        if (body !== undefined) break;
      }
    }
  } catch (error) {
    if (!(error instanceof RelayProblem)) throw error;
    return { messages, refusal: error, isOver };
  }
  return { messages, refusal: undefined, isOver };
}

/** Interim responses do not use up the request. */
function methodOf(methods: readonly string[], messages: readonly ReadMessage[]): string {
  const answered = messages.filter(({ head }) => !isInterim(head)).length;
  return methods[Math.min(answered, methods.length - 1)] ?? "GET";
}

/** As the relay reads them: well-formed, and without bodies. */
function methodsIn(requests: Buffer): string[] {
  const methods: string[] = [];
  for (let rest = requests; rest.length > 0; ) {
    const { method, length } = parseRequestHead(rest, limits);
    methods.push(method);
    rest = rest.subarray(length);
  }
  return methods;
}

export function isInterim(head: MessageHead): boolean {
  return head instanceof ResponseHead && head.isInterim;
}

/** The head that `bytes` begin with, and the framing of what follows; undefined behind a 101, where no message follows. */
function judge(
  kind: Stream["kind"],
  bytes: Buffer,
  method: string,
): { head: MessageHead; framing: BodyFraming | undefined } {
  if (kind === "request") {
    const head = parseRequestHead(bytes, limits);
    return { head, framing: requestFraming(head, limits) };
  }
  const head = parseResponseHead(bytes, limits);
  const framing = responseFraming(head, { method }, limits);
  return { head, framing: head.status === 101 ? undefined : framing };
}
