import { indexFields } from "./field-index.ts";
import { afterToken, afterValue, digitAt, isAt } from "./head-bytes.ts";
import { type Field, MessageHead } from "./message-head.ts";
import { RelayProblem } from "./problem.ts";
import { RequestHead } from "./request-head.ts";
import { ResponseHead } from "./response-head.ts";

export interface HeadLimits {
  headBytesMax: number;
  headerCountMax: number;
}

const [lineFeed, carriageReturn, space, dot, deleted] = [0x0a, 0x0d, 0x20, 0x2e, 0x7f];
const endOfHead = "\r\n\r\n";
/** Whose names need not be made anew for each request. */
const commonMethods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/**
 * Whether there is a complete head at the beginning of `bytes`. Throws a RelayProblem as soon as one is too large, or ends a
 * line with a bare LF.
 */
export function hasWholeHead(bytes: Buffer, { headBytesMax }: HeadLimits): boolean {
  // Seen at a glance: most messages without a body end with it. Where it ends, and whether that is too far, is for the parser.
  if (isAt(bytes, bytes.length - endOfHead.length, endOfHead)) return true;
  const end = findHeadEnd(bytes);
  if ((end ?? bytes.length) > headBytesMax) throw tooLarge(headBytesMax);
  if (end !== undefined) return true;
  for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, at + 1)) {
    if (bytes[at - 1] !== carriageReturn) throw new RelayProblem("invalid_request", "a line ends with a bare LF");
  }
  return false;
}

/** Looks at each fourth byte where it can: this costs less than to call what Node has for it. */
function findHeadEnd(bytes: Uint8Array): number | undefined {
  for (let at = endOfHead.length - 1; at < bytes.length; ) {
    const byte = bytes[at];
    if (byte === lineFeed) {
      const behind = at + 1;
      if (isAt(bytes, behind - endOfHead.length, endOfHead)) return behind;
      at += 2; // it may be the first of the two
    } else {
      at += byte === carriageReturn ? 1 : 4;
    }
  }
  return undefined;
}

/**
 * Parses the complete request head at the beginning of `bytes`, and holds it to RFC 9112: one space between the parts of its
 * first line (3), a token, a target without white space or controls. Throws a RelayProblem.
 */
export function parseRequestHead(bytes: Buffer, limits: HeadLimits): RequestHead {
  const methodEnd = afterToken(bytes, 0);
  const targetStart = methodEnd + 1;
  const targetEnd = afterTarget(bytes, targetStart);
  const major = digitAt(bytes, targetEnd + 6);
  const minor = digitAt(bytes, targetEnd + 8);
  const isWellFormed =
    methodEnd > 0 &&
    bytes[methodEnd] === space &&
    targetEnd > targetStart &&
    isAt(bytes, targetEnd, " HTTP/") &&
    bytes[targetEnd + 7] === dot &&
    bytes[targetEnd + 9] === carriageReturn;
  if (!isWellFormed || major === undefined || minor === undefined) throw bad("the request line is malformed");
  // 1.2 and above too: the bytes go on as they came, and the next hop may know no more than 1.1 either.
  if (major !== 1 || minor > 1)
    throw new RelayProblem("version_not_supported", `HTTP/${major}.${minor} is not spoken here`);
  const method = methodAt(bytes, methodEnd);
  const index = indexFields(bytes, targetEnd + 9, limits);
  const head = new RequestHead({ bytes, minorVersion: minor === 0 ? 0 : 1, index, method, targetStart, targetEnd });
  requireLength(head, limits);
  if (method === "CONNECT") throw new RelayProblem("not_implemented", "CONNECT is not offered");
  const hosts = head.count("host");
  if (hosts > 1 || (hosts === 0 && head.minorVersion === 1)) throw bad(`one Host field is needed, ${hosts} were given`);
  return head;
}

/**
 * Parses the complete response head at the beginning of `bytes` (RFC 9112 4; a missing reason, with or without its space, is
 * common and harmless). Throws a RelayProblem.
 */
export function parseResponseHead(bytes: Buffer, limits: HeadLimits): ResponseHead {
  const minor = digitAt(bytes, 7);
  const status = statusAt(bytes, 9);
  const lineEnd = bytes[12] === space ? afterValue(bytes, 13) : 12;
  const isWellFormed = isAt(bytes, 0, "HTTP/1.") && bytes[8] === space && bytes[lineEnd] === carriageReturn;
  if (!isWellFormed || minor === undefined || minor > 1 || status < 100) throw bad("the status line is malformed");
  const index = indexFields(bytes, lineEnd, limits);
  const head = new ResponseHead({ bytes, minorVersion: minor === 0 ? 0 : 1, index, status });
  requireLength(head, limits);
  return head;
}

/** Parses one field line without its CRLF. Throws a RelayProblem. */
export function parseField(line: string): Field {
  const bytes = Buffer.from(`\r\n${line}\r\n\r\n`, "latin1");
  const index = indexFields(bytes, 0, { headerCountMax: 1 });
  const [field] = new MessageHead({ bytes, minorVersion: 1, index }).fields;
  if (field === undefined) throw bad("a field line is empty");
  return field;
}

/** Behind the last of the bytes from `from` on that may be in a target. */
function afterTarget(bytes: Uint8Array, from: number): number {
  let at = from;
  for (let byte = bytes[at] ?? 0; byte > space && byte !== deleted; byte = bytes[at] ?? 0) at += 1;
  return at;
}

function methodAt(bytes: Buffer, end: number): string {
  for (const method of commonMethods) if (method.length === end && isAt(bytes, 0, method)) return method;
  return bytes.toString("latin1", 0, end);
}

/** Three digits; below 100 where they are none, or the first is 0. */
function statusAt(bytes: Uint8Array, at: number): number {
  const [hundreds = 0, tens, ones] = [digitAt(bytes, at), digitAt(bytes, at + 1), digitAt(bytes, at + 2)];
  return tens === undefined || ones === undefined ? 0 : hundreds * 100 + tens * 10 + ones;
}

function requireLength({ length }: MessageHead, { headBytesMax }: HeadLimits): void {
  if (length > headBytesMax) throw tooLarge(headBytesMax);
}

function tooLarge(headBytesMax: number): RelayProblem {
  return new RelayProblem("head_too_large", `the head has more than ${headBytesMax} bytes`);
}

function bad(message: string): RelayProblem {
  return new RelayProblem("invalid_request", message);
}
