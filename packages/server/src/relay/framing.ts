import type { MessageHead, RequestHead, ResponseHead } from "./head.ts";
import { parseField } from "./parse-head.ts";
import { RelayProblem } from "./problem.ts";

/** Finds the end of a message's body, and changes nothing (RFC 9112 6). */
export interface BodyFraming {
  /** Reads on at `from`; returns where the body ends in `bytes`, or `bytes.length` if it goes on. Throws a RelayProblem. */
  read(bytes: Buffer, from: number): number;
  readonly isDone: boolean;
  /** Whether only the end of the connection ends the body. */
  readonly isUntilClose: boolean;
}

export interface FramingRules {
  readonly headBytesMax: number;
  /** Whether a field of this lower-case name must not be in trailers, beside those that frame a message. Default: none. */
  readonly isHeadOnly?: (lowerName: string) => boolean;
}

/** Framing of a request's body (RFC 9112 6.3). What two readers could frame differently is refused. */
export function requestFraming(head: RequestHead, rules: FramingRules): BodyFraming {
  return lengthOrChunked(head, rules) ?? noBody;
}

/** Framing of the body of a response to `request`. One to HEAD, of 204 or of 304 has none, whatever it says, but must say it well (RFC 9112 6.3). */
export function responseFraming(
  head: ResponseHead,
  request: Pick<RequestHead, "method">,
  limits: { headBytesMax: number },
): BodyFraming {
  const framing = lengthOrChunked(head, limits);
  // A server must not (RFC 9110 8.6, RFC 9112 6.1), and llhttp reads a body there.
  if (head.isInterim && framing !== undefined && !framing.isDone) throw bad("an interim response announces a body");
  const isBodiless = head.isInterim || head.status === 204 || head.status === 304;
  if (isBodiless || request.method === "HEAD") return noBody;
  return framing ?? untilClose;
}

function lengthOrChunked(head: MessageHead, rules: FramingRules): BodyFraming | undefined {
  if (head.has("transfer-encoding")) {
    requireChunked(head);
    return new ChunkedFraming(rules);
  }
  const length = head.contentLength;
  if (length === undefined) return undefined;
  return length === 0 ? noBody : new LengthFraming(length);
}

function requireChunked(head: MessageHead): void {
  if (head.has("content-length")) throw bad("both Content-Length and Transfer-Encoding are given");
  if (head.minorVersion === 0) throw bad("Transfer-Encoding is given in HTTP/1.0");
  const encodings = head.headers("transfer-encoding");
  // Some parsers, llhttp among them, do not take a tab for the white space that it is, and read another coding.
  const isChunked = encodings.length === 1 && encodings[0]?.toLowerCase() === "chunked";
  if (isChunked && !head.hasTabIn("transfer-encoding")) return;
  throw bad(`the only Transfer-Encoding taken is "chunked", ${JSON.stringify(encodings.join(", "))} was given`);
}

const untilClose: BodyFraming = { read: (bytes) => bytes.length, isDone: false, isUntilClose: true };

class LengthFraming implements BodyFraming {
  readonly isUntilClose = false;
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  get isDone(): boolean {
    return this.#left === 0;
  }

  read(bytes: Buffer, from: number): number {
    const taken = Math.min(this.#left, bytes.length - from);
    this.#left -= taken;
    return from + taken;
  }
}

const noBody: BodyFraming = new LengthFraming(0);

type ChunkedState =
  | "size"
  | "extension"
  | "size-end"
  | "data"
  | "data-end"
  | "data-end-lf"
  | "trailer"
  | "trailer-end"
  | "done";

const extensionBytesMax = 256;
/** 13 hexadecimal digits are at most 2^52 - 1: no size is ever rounded. */
const sizeDigitsMax = 13;

/** What is behind the first semicolon (RFC 9112 7.1.1), without the white space that only "bad" senders put there. */
const extensions = (() => {
  const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
  const quoted = '"(?:[\\t !#-[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"';
  const extension = `${token}(?:=(?:${token}|${quoted}))?`;
  return new RegExp(`^${extension}(?:;${extension})*$`);
})();

/** Fields that frame a message, route it or end its connection: a reader that merges trailers would see another message (RFC 9110 6.5.1). */
const neverInTrailers: ReadonlySet<string> = new Set([
  "content-length",
  "transfer-encoding",
  "connection",
  "proxy-connection",
  "upgrade",
  "host",
]);

const [cr, lf, semicolon] = [0x0d, 0x0a, 0x3b];

/** Chunked transfer coding (RFC 9112 7.1), byte by byte outside the data. */
class ChunkedFraming implements BodyFraming {
  readonly isUntilClose = false;
  readonly #trailerBytesMax: number;
  readonly #isHeadOnly: (lowerName: string) => boolean;
  #state: ChunkedState = "size";
  #size = 0;
  #digits = 0;
  #extension = "";
  #trailerBytes = 0;
  #trailerLine = "";

  constructor({ headBytesMax, isHeadOnly = () => false }: FramingRules) {
    this.#trailerBytesMax = headBytesMax;
    this.#isHeadOnly = isHeadOnly;
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  read(bytes: Buffer, from: number): number {
    let at = from;
    while (at < bytes.length && this.#state !== "done") {
      if (this.#state === "data") {
        const taken = Math.min(this.#size, bytes.length - at);
        this.#size -= taken;
        at += taken;
        if (this.#size === 0) this.#state = "data-end";
      } else {
        this.#step(bytes[at] ?? 0);
        at += 1;
      }
    }
    return at;
  }

  #step(byte: number): void {
    switch (this.#state) {
      case "size":
        return this.#readSize(byte);
      case "extension":
        return this.#readExtension(byte);
      case "size-end":
        return this.#expect(byte, lf, this.#size === 0 ? "trailer" : "data");
      case "data-end":
        return this.#expect(byte, cr, "data-end-lf");
      case "data-end-lf":
        this.#digits = 0;
        this.#extension = "";
        return this.#expect(byte, lf, "size");
      case "trailer":
        return this.#readTrailer(byte);
      case "trailer-end":
        return this.#endTrailerLine(byte);
      case "data":
      case "done":
        throw new Error(`no byte is looked at in state ${this.#state}`);
      default:
        return this.#state satisfies never;
    }
  }

  #readSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit !== undefined) {
      this.#digits += 1;
      if (this.#digits > sizeDigitsMax) throw bad("a chunk size is too long");
      this.#size = this.#size * 16 + digit;
    } else if (this.#digits > 0 && byte === semicolon) {
      this.#state = "extension";
    } else if (this.#digits > 0 && byte === cr) {
      this.#state = "size-end";
    } else {
      throw bad("a chunk size is malformed");
    }
  }

  #readExtension(byte: number): void {
    if (byte !== cr) {
      this.#extension += String.fromCharCode(byte);
      if (this.#extension.length > extensionBytesMax) throw bad("a chunk extension is too long");
    } else if (extensions.test(this.#extension)) {
      this.#state = "size-end";
    } else {
      throw bad("a chunk extension is malformed");
    }
  }

  #readTrailer(byte: number): void {
    this.#trailerBytes += 1;
    if (this.#trailerBytes > this.#trailerBytesMax) throw bad("the trailer section is too long");
    if (byte === cr) this.#state = "trailer-end";
    else if (!isValueByte(byte)) throw bad("a trailer line is malformed");
    else this.#trailerLine += String.fromCharCode(byte);
  }

  #endTrailerLine(byte: number): void {
    this.#expect(byte, lf, this.#trailerLine === "" ? "done" : "trailer");
    if (this.#trailerLine !== "") {
      const { lowerName } = parseField(this.#trailerLine);
      if (neverInTrailers.has(lowerName) || this.#isHeadOnly(lowerName)) {
        throw bad("a trailer holds a field that belongs into the head");
      }
    }
    this.#trailerLine = "";
  }

  #expect(byte: number, expected: number, next: ChunkedState): void {
    if (byte !== expected) throw bad("a line of the chunked coding does not end with CRLF");
    this.#state = next;
  }
}

function hexDigit(byte: number): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : undefined;
}

/** HTAB, or anything that is no control (RFC 9110 5.5). */
function isValueByte(byte: number): boolean {
  return byte === 0x09 || (byte >= 0x20 && byte !== 0x7f);
}

function bad(message: string): RelayProblem {
  return new RelayProblem("invalid_request", message);
}
