import { RequestHead } from "../request-head.ts";
import { LlhttpReader } from "./llhttp.ts";
import { isInterim, type Reading, type ReadMessage, readAsRelay, type Stream } from "./reading.ts";

export interface Verdict {
  /** Messages that both read alike, to their last byte. */
  readonly alike: number;
  readonly refused: boolean;
  /** Why the relay refused what llhttp did not. */
  readonly stricter: string | undefined;
  /** What llhttp did not like about a request line, and only about that: the names of methods, and what a target looks like. */
  readonly requestLines: readonly string[];
  /** Whether llhttp takes a connection to be over where the relay goes on; it ends then with whoever said so. */
  readonly goesOn: boolean;
}

export class Disagreement extends Error {}

/**
 * Holds the relay's reading of a stream to llhttp's: every head and every body that the relay takes ends at the very byte where
 * llhttp's does, with the same fields. Throws a Disagreement where the relay is laxer, or sees another boundary.
 */
export function compare(stream: Stream): Verdict {
  const reading = readAsRelay(stream);
  using llhttp = new LlhttpReader(stream.kind, stream.requests);
  const notes: Notes = { requestLines: [], goesOn: false };
  let previous: ReadMessage | undefined;
  let alike = 0;
  for (const message of reading.messages) {
    holdHead(stream, { message, previous, llhttp, notes });
    previous = message;
    if (message.end === undefined) {
      holdOpenEnd(stream, { message, llhttp, reading });
      break;
    }
    holdBody(stream, message, llhttp);
    alike += 1;
  }
  const stricter = refusedAlone(stream, reading, llhttp);
  return { alike, refused: reading.refusal !== undefined, stricter, ...notes };
}

interface Notes {
  readonly requestLines: string[];
  goesOn: boolean;
}

interface HeadContext {
  readonly message: ReadMessage;
  readonly previous: ReadMessage | undefined;
  readonly llhttp: LlhttpReader;
  readonly notes: Notes;
}

function holdHead({ bytes }: Stream, { message, previous, llhttp, notes }: HeadContext): void {
  const { heads } = llhttp;
  const before = heads.length;
  const readHead = (head: Buffer) => {
    llhttp.read(head.subarray(0, head.length - 1));
    if (heads.length !== before) throw new Disagreement("llhttp sees the end of a head before the relay does");
    llhttp.read(head.subarray(head.length - 1));
  };
  const head = bytes.subarray(message.from, message.headEnd);
  readHead(head);
  if (llhttp.errorCode === "HPE_CLOSED_CONNECTION") {
    if (!mayGoOn(previous)) throw new Disagreement("the relay goes on where llhttp sees the end of the connection");
    notes.goesOn = true;
    llhttp.restart();
    readHead(head);
  }
  if (heads.length === before && message.head instanceof RequestHead) {
    // Behind PRI, it waits for the rest of HTTP/2's preface.
    if (llhttp.errorCode !== undefined || message.head.method === "PRI") {
      notes.requestLines.push(llhttp.errorCode ?? "PRI");
      llhttp.restart();
      readHead(withPlainRequestLine(message.head));
    }
  }
  const seen = heads[before];
  if (seen === undefined) throw new Disagreement(`the relay takes a head that llhttp does not (${llhttp.errorCode})`);
  const expected = message.head.fields.flatMap(({ name, value }) => [name, value]);
  const got = seen.fields.map((text) => text.replace(/[ \t]+$/, ""));
  if (expected.length !== got.length || expected.some((text, index) => text !== got[index])) {
    throw new Disagreement(
      `the fields are not the same: ${JSON.stringify(expected)}, by llhttp ${JSON.stringify(got)}`,
    );
  }
}

/**
 * llhttp honours Proxy-Connection, which RFC 9112 C.2.2 does not know, and takes an interim response for the last one where it
 * would be the last if it were final.
 */
function mayGoOn(previous: ReadMessage | undefined): boolean {
  const head = previous?.head;
  return head !== undefined && (head.hasToken("proxy-connection", "close") || isInterim(head));
}

function withPlainRequestLine({ raw, minorVersion }: RequestHead): Buffer {
  return Buffer.concat([Buffer.from(`POST / HTTP/1.${minorVersion}`), raw.subarray(raw.indexOf("\r\n"))]);
}

function holdBody({ bytes }: Stream, { headEnd, end = headEnd }: ReadMessage, llhttp: LlhttpReader): void {
  const before = llhttp.messages;
  if (end > headEnd) {
    llhttp.read(bytes.subarray(headEnd, end - 1));
    if (llhttp.messages !== before) throw new Disagreement("llhttp sees the end of a message before the relay does");
    llhttp.read(bytes.subarray(end - 1, end));
    if (llhttp.messages !== before + 1) throw new Disagreement(`llhttp sees no end there (${llhttp.errorCode})`);
  } else if (llhttp.messages !== llhttp.heads.length) {
    throw new Disagreement("llhttp sees a body where the relay sees none");
  }
}

/** The relay waits for the rest of a body, or has refused it in the middle, or the end of the connection is its end. */
function holdOpenEnd(
  stream: Stream,
  { message, llhttp, reading }: { message: ReadMessage; llhttp: LlhttpReader; reading: Reading },
): void {
  if (reading.isOver) return; // 101: no HTTP follows
  if (llhttp.messages === llhttp.heads.length) throw new Disagreement("the relay sees a body where llhttp sees none");
  if (reading.refusal !== undefined) return;
  llhttp.read(stream.bytes.subarray(message.headEnd));
  if (llhttp.messages === llhttp.heads.length)
    throw new Disagreement("the relay waits for more where llhttp saw the end");
  if (message.isUntilClose) {
    llhttp.end();
    if (llhttp.errorCode !== undefined)
      throw new Disagreement(`llhttp takes no body until close (${llhttp.errorCode})`);
    return;
  }
  if (llhttp.errorCode === undefined) return;
  // The relay judges some lines when they are whole: it must not take this one whatever follows.
  for (const rest of completions) {
    const bytes = Buffer.concat([stream.bytes, Buffer.from(rest)]);
    const later = readAsRelay({ ...stream, bytes });
    if (later.messages[reading.messages.length - 1]?.end === undefined) continue;
    throw new Disagreement(
      `with ${JSON.stringify(rest)} behind, the relay takes what llhttp does not (${llhttp.errorCode})`,
    );
  }
}

const lineEnds = ["", "\n", "\r\n", "a\r\n", ":\r\n", "=a\r\n", '"\r\n'];
const completions = lineEnds.flatMap((end) => ["", "\r\n", "0\r\n\r\n", "\r\n0\r\n\r\n"].map((rest) => end + rest));

/** The kind of refusal, where llhttp finds nothing wrong with the rest of the bytes. */
function refusedAlone({ bytes }: Stream, reading: Reading, llhttp: LlhttpReader): string | undefined {
  const { refusal, messages } = reading;
  if (refusal === undefined) return undefined;
  const last = messages.at(-1);
  llhttp.read(bytes.subarray(last === undefined ? 0 : (last.end ?? last.headEnd)));
  return llhttp.errorCode === undefined ? kindOf(refusal.message) : undefined;
}

function kindOf(message: string): string {
  return message.replace(/".*"/, "…").replace(/[0-9]+/g, "#");
}
