import { indexFields } from "./field-index.ts";
import { type Field, MessageHead, RequestHead, ResponseHead } from "./head.ts";
import { RelayProblem } from "./problem.ts";

export interface HeadLimits {
  headBytesMax: number;
  headerCountMax: number;
}

const endOfHead = Buffer.from("\r\n\r\n");
const lineFeed = 10;
const carriageReturn = 13;

/** RFC 9112 3: one space between the parts, a token, a target without white space or controls. */
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~\x80-\xff]+) HTTP\/([0-9])\.([0-9])$/;
/** RFC 9112 4; a missing reason, with or without its space, is common and harmless. */
const statusLine = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/;

/**
 * Where the head that starts at the beginning of `bytes` ends, or undefined while it is incomplete. Throws a
 * RelayProblem as soon as it is too large, or ends a line with a bare LF.
 */
export function findHeadEnd(bytes: Buffer, { headBytesMax }: HeadLimits): number | undefined {
  const index = bytes.indexOf(endOfHead);
  const end = index < 0 ? bytes.length : index + endOfHead.length;
  if (end > headBytesMax) throw new RelayProblem("head_too_large", `the head has more than ${headBytesMax} bytes`);
  if (index >= 0) return end;
  for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, at + 1)) {
    if (bytes[at - 1] !== carriageReturn) throw new RelayProblem("invalid_request", "a line ends with a bare LF");
  }
  return undefined;
}

/** Parses a complete request head, and holds it to RFC 9112. Throws a RelayProblem. */
export function parseRequestHead(raw: Buffer, limits: HeadLimits): RequestHead {
  const lineEnd = raw.indexOf(carriageReturn);
  const [, method, target, major, minor] = requestLine.exec(raw.toString("latin1", 0, lineEnd)) ?? [];
  if (method === undefined || target === undefined) throw bad("the request line is malformed");
  // 1.2 and above too: the bytes go on as they came, and the next hop may know no more than 1.1 either.
  if (major !== "1" || (minor !== "0" && minor !== "1")) {
    throw new RelayProblem("version_not_supported", `HTTP/${major}.${minor} is not spoken here`);
  }
  const index = indexFields(raw, lineEnd, limits);
  const head = new RequestHead({ raw, method, target, minorVersion: minor === "0" ? 0 : 1, index });
  if (method === "CONNECT") throw new RelayProblem("not_implemented", "CONNECT is not offered");
  const hosts = head.count("host");
  if (hosts > 1 || (hosts === 0 && head.minorVersion === 1)) throw bad(`one Host field is needed, ${hosts} were given`);
  return head;
}

/** Parses a complete response head. Throws a RelayProblem. */
export function parseResponseHead(raw: Buffer, limits: HeadLimits): ResponseHead {
  const lineEnd = raw.indexOf(carriageReturn);
  const [, minor, status] = statusLine.exec(raw.toString("latin1", 0, lineEnd)) ?? [];
  if (status === undefined) throw bad("the status line is malformed");
  const index = indexFields(raw, lineEnd, limits);
  return new ResponseHead({ raw, status: Number(status), minorVersion: minor === "0" ? 0 : 1, index });
}

/** Parses one field line without its CRLF. Throws a RelayProblem. */
export function parseField(line: string): Field {
  const raw = Buffer.from(`\r\n${line}\r\n\r\n`, "latin1");
  const [field] = new MessageHead({ raw, minorVersion: 1, index: indexFields(raw, 0, { headerCountMax: 1 }) }).fields;
  if (field === undefined) throw bad("a field line is empty");
  return field;
}

function bad(message: string): RelayProblem {
  return new RelayProblem("invalid_request", message);
}
