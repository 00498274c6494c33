import type { BodyFraming } from "./body-framing.ts";
import { isValueByte } from "./head-bytes.ts";
import { parseField } from "./parse-head.ts";
import { RelayProblem } from "./problem.ts";

/** What trailers may be. */
export interface TrailerRules {
  /** How many bytes all trailers may have: as many as a head. */
  readonly headBytesMax: number;
  /** Whether a field of this lower-case name must not be in trailers, beside those that frame a message. Default: none. */
  readonly isHeadOnly?: (lowerName: string) => boolean;
}

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
export class ChunkedFraming implements BodyFraming {
  readonly isUntilClose = false;
  readonly #trailerBytesMax: number;
  readonly #isHeadOnly: (lowerName: string) => boolean;
  #state: ChunkedState = "size";
  #size = 0;
  #digits = 0;
  #extension = "";
  #trailerBytes = 0;
  #trailerLine = "";

  constructor({ headBytesMax, isHeadOnly = () => false }: TrailerRules) {
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

function bad(message: string): RelayProblem {
  return new RelayProblem("invalid_request", message);
}
