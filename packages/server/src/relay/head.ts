import { RelayProblem } from "./problem.ts";

/** One field line: the name as it came, and the value without surrounding white space. */
export interface Field {
  readonly name: string;
  readonly lowerName: string;
  readonly value: string;
}

/** The head of a message: its first line, its fields, and the bytes they came in. Strings are latin1, byte for byte. */
export class MessageHead {
  /** All of it, with the empty line at the end. */
  readonly raw: Buffer;
  readonly minorVersion: 0 | 1;
  readonly fields: readonly Field[];

  constructor(parts: { raw: Buffer; minorVersion: 0 | 1; fields: readonly Field[] }) {
    this.raw = parts.raw;
    this.minorVersion = parts.minorVersion;
    this.fields = parts.fields;
  }

  /** Every value of a field, in order. */
  headers(name: string): string[] {
    const lowerName = name.toLowerCase();
    return this.fields.filter((field) => field.lowerName === lowerName).map((field) => field.value);
  }

  /** The values of a field as one (RFC 9110 5.3): joined by commas, cookies by semicolons. */
  header(name: string): string | undefined {
    const values = this.headers(name);
    if (values.length === 0) return undefined;
    return values.join(name.toLowerCase() === "cookie" ? "; " : ", ");
  }

  /** Whether a field whose value is a list of tokens holds this one, in any case. */
  hasToken(name: string, token: string): boolean {
    return this.headers(name).some((value) => value.split(",").some((item) => item.trim().toLowerCase() === token));
  }

  /** Whether the connection may serve another message after this one, as far as its sender goes (RFC 9112 9.3). */
  get keepsAlive(): boolean {
    if (this.hasToken("connection", "close")) return false;
    return this.minorVersion === 1 || this.hasToken("connection", "keep-alive");
  }
}

export class RequestHead extends MessageHead {
  readonly method: string;
  readonly target: string;

  constructor(parts: ConstructorParameters<typeof MessageHead>[0] & { method: string; target: string }) {
    super(parts);
    this.method = parts.method;
    this.target = parts.target;
  }

  /** The protocol that is asked for in place of HTTP, in lower case; undefined if none is (RFC 9110 7.8). */
  get upgrade(): string | undefined {
    if (this.minorVersion === 0 || !this.hasToken("connection", "upgrade")) return undefined;
    return this.header("upgrade")?.toLowerCase() || undefined;
  }

  get hasBody(): boolean {
    return this.headers("transfer-encoding").length > 0 || Number(this.header("content-length") ?? 0) > 0;
  }

  /** Whether sending it twice means no more than sending it once (RFC 9110 9.2.2). */
  get isIdempotent(): boolean {
    return idempotentMethods.has(this.method);
  }
}

export class ResponseHead extends MessageHead {
  readonly status: number;

  constructor(parts: ConstructorParameters<typeof MessageHead>[0] & { status: number }) {
    super(parts);
    this.status = parts.status;
  }

  get isInterim(): boolean {
    return this.status < 200;
  }
}

const idempotentMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

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
/** RFC 9110 5: a token, a colon right behind it, a value without controls. No line folding. */
const fieldLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;

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
  const [first = "", ...lines] = linesOf(raw);
  const [, method, target, major, minor] = requestLine.exec(first) ?? [];
  if (method === undefined || target === undefined) throw bad("the request line is malformed");
  // 1.2 and above too: the bytes go on as they came, and the next hop may know no more than 1.1 either.
  if (major !== "1" || (minor !== "0" && minor !== "1")) {
    throw new RelayProblem("version_not_supported", `HTTP/${major}.${minor} is not spoken here`);
  }
  const fields = parseFields(lines, limits);
  const head = new RequestHead({ raw, method, target, minorVersion: minor === "0" ? 0 : 1, fields });
  if (method === "CONNECT") throw new RelayProblem("not_implemented", "CONNECT is not offered");
  const hosts = head.headers("host").length;
  if (hosts > 1 || (hosts === 0 && head.minorVersion === 1)) throw bad(`one Host field is needed, ${hosts} were given`);
  return head;
}

/** Parses a complete response head. Throws a RelayProblem. */
export function parseResponseHead(raw: Buffer, limits: HeadLimits): ResponseHead {
  const [first = "", ...lines] = linesOf(raw);
  const [, minor, status] = statusLine.exec(first) ?? [];
  if (status === undefined) throw bad("the status line is malformed");
  const fields = parseFields(lines, limits);
  return new ResponseHead({ raw, status: Number(status), minorVersion: minor === "0" ? 0 : 1, fields });
}

/** Parses one field line without its CRLF. Throws a RelayProblem. */
export function parseField(line: string): Field {
  const [, name, value] = fieldLine.exec(line) ?? [];
  if (name === undefined || value === undefined) throw bad("a field line is malformed");
  return { name, lowerName: name.toLowerCase(), value: value.replace(/[ \t]+$/, "") };
}

function linesOf(raw: Buffer): string[] {
  return raw.toString("latin1", 0, raw.length - endOfHead.length).split("\r\n");
}

function parseFields(lines: readonly string[], { headerCountMax }: HeadLimits): Field[] {
  if (lines.length > headerCountMax) {
    throw new RelayProblem("head_too_large", `the head has more than ${headerCountMax} fields`);
  }
  return lines.map(parseField);
}

function bad(message: string): RelayProblem {
  return new RelayProblem("invalid_request", message);
}
