import { beginsWithOneOf, type FieldIndex, isNamed, numbersPerField } from "./field-index.ts";

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
  readonly #index: FieldIndex;
  #fields: readonly Field[] | undefined;

  constructor(parts: { raw: Buffer; minorVersion: 0 | 1; index: FieldIndex }) {
    this.raw = parts.raw;
    this.minorVersion = parts.minorVersion;
    this.#index = parts.index;
  }

  /** All fields, in order. Made when they are first asked for: most heads are never looked at as a whole. */
  get fields(): readonly Field[] {
    this.#fields ??= Array.from({ length: this.#index.length / numbersPerField }, (_, field) => this.#fieldAt(field));
    return this.#fields;
  }

  /** The names of the fields whose first letter is one of these, in any case; in lower case, in order. */
  lowerNamesFrom(firstLetters: string): readonly string[] {
    const index = this.#index;
    const names: string[] = [];
    for (let at = 0; at < index.length; at += numbersPerField) {
      if (beginsWithOneOf(this.raw, index[at] ?? 0, firstLetters)) names.push(this.#text(at).toLowerCase());
    }
    return names;
  }

  /** The lines of all fields but those of these names, as they came, with their line ends. */
  linesWithout(names: readonly string[]): string {
    const index = this.#index;
    const end = this.raw.length - 2;
    let text = "";
    let from = index[0] ?? end;
    for (let at = 0; at < index.length; at += numbersPerField) {
      const start = index[at] ?? end;
      const nameEnd = index[at + 1] ?? end;
      if (!isOneOf(this.raw, start, nameEnd, names)) continue;
      text += this.raw.toString("latin1", from, start);
      from = index[at + numbersPerField] ?? end;
    }
    return text + this.raw.toString("latin1", from, end);
  }

  /** Whether there is a field of one of these names. */
  hasAny(names: readonly string[]): boolean {
    for (const name of names) if (this.has(name)) return true;
    return false;
  }

  /** Whether there is such a field. */
  has(name: string): boolean {
    return this.#find(name, 0) >= 0;
  }

  /** How many fields of this name there are. */
  count(name: string): number {
    let count = 0;
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + numbersPerField)) count += 1;
    return count;
  }

  /** Every value of a field, in order. */
  headers(name: string): readonly string[] {
    let at = this.#find(name, 0);
    if (at < 0) return none;
    const values: string[] = [];
    for (; at >= 0; at = this.#find(name, at + numbersPerField)) values.push(this.#text(at + 2));
    return values;
  }

  /** The values of a field as one (RFC 9110 5.3): joined by commas, cookies by semicolons. */
  header(name: string): string | undefined {
    const values = this.headers(name);
    if (values.length < 2) return values[0];
    return values.join(name.toLowerCase() === "cookie" ? "; " : ", ");
  }

  /** Whether a field whose value is a list of tokens holds this one, in any case. */
  hasToken(name: string, token: string): boolean {
    const values = this.headers(name);
    if (values.length === 0) return false;
    return values.some((value) => listItems(value).some((item) => item.toLowerCase() === token));
  }

  /** Whether the connection may serve another message after this one, as far as its sender goes (RFC 9112 9.3). */
  get keepsAlive(): boolean {
    if (this.hasToken("connection", "close")) return false;
    return this.minorVersion === 1 || this.hasToken("connection", "keep-alive");
  }

  /** Where in the index the next field of this name is, from `from` on; below 0 where there is none. */
  #find(name: string, from: number): number {
    const index = this.#index;
    for (let at = from; at < index.length; at += numbersPerField) {
      if (isNamed(this.raw, index[at] ?? 0, index[at + 1] ?? 0, name)) return at;
    }
    return -1;
  }

  #fieldAt(field: number): Field {
    const at = field * numbersPerField;
    const name = this.#text(at);
    return { name, lowerName: name.toLowerCase(), value: this.#text(at + 2) };
  }

  /** The bytes from one number of the index to the next. */
  #text(at: number): string {
    return this.raw.toString("latin1", this.#index[at], this.#index[at + 1]);
  }
}

const none: readonly string[] = [];

function isOneOf(raw: Uint8Array, start: number, end: number, names: readonly string[]): boolean {
  for (const name of names) if (isNamed(raw, start, end, name)) return true;
  return false;
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
    return this.has("transfer-encoding") || Number(this.header("content-length") ?? 0) > 0;
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

/** The members of a list (RFC 9110 5.6.1). White space is SP and HTAB: what `trim` takes off beside, as U+00A0, others keep. */
export function listItems(value: string): string[] {
  return value.split(",").map(withoutBlanks);
}

function withoutBlanks(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from += 1;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

const idempotentMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);
