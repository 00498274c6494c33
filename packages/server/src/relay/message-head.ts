import { type FieldIndex, findField, numbersPerField } from "./field-index.ts";
import { beginsWithOneOf, hasItem, isOneOf, wholeNumber } from "./head-bytes.ts";
import { RelayProblem } from "./problem.ts";

/** One field line: the name as it came, and the value without surrounding white space. */
export interface Field {
  readonly name: string;
  readonly lowerName: string;
  readonly value: string;
}

/** What a head is made of. */
export interface HeadParts {
  /** What begins with the head; it may go on behind it. */
  readonly bytes: Buffer;
  readonly minorVersion: 0 | 1;
  readonly index: FieldIndex;
}

/** The head of a message: its first line, its fields, and the bytes they came in. Strings are latin1, byte for byte. */
export class MessageHead {
  readonly minorVersion: 0 | 1;
  readonly #bytes: Buffer;
  readonly #index: FieldIndex;
  #raw: Buffer | undefined;
  #fields: readonly Field[] | undefined;

  constructor({ bytes, minorVersion, index }: HeadParts) {
    this.minorVersion = minorVersion;
    this.#bytes = bytes;
    this.#index = index;
  }

  /** How many bytes it has. */
  get length(): number {
    return this.#index.headEnd;
  }

  /** All of it, with the empty line at the end. */
  get raw(): Buffer {
    this.#raw ??= this.length === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.length);
    return this.#raw;
  }

  /** All fields, in order. Made when they are first asked for: most heads are never looked at as a whole. */
  get fields(): readonly Field[] {
    const { places } = this.#index;
    this.#fields ??= Array.from({ length: places.length / numbersPerField }, (_, field) =>
      this.#fieldAt(field * numbersPerField),
    );
    return this.#fields;
  }

  /** The names of the fields whose first letter is one of these, in any case; in lower case, in order. */
  lowerNamesFrom(firstLetters: string): readonly string[] {
    const { places } = this.#index;
    const names: string[] = [];
    for (let at = 0; at < places.length; at += numbersPerField) {
      if (beginsWithOneOf(this.#bytes, places[at] ?? 0, firstLetters)) names.push(this.#text(at).toLowerCase());
    }
    return names;
  }

  /** The first line, with its line end. */
  get firstLine(): string {
    return this.textBetween(0, this.#index.places[0] ?? this.length - 2);
  }

  /** The lines of all fields, as they came, with their line ends. */
  get lines(): string {
    const end = this.length - 2;
    return this.textBetween(this.#index.places[0] ?? end, end);
  }

  /** The same without those of `dropped` names, and with what `instead` gives for those of other `names`; undefined leaves one as it came. */
  linesWith(
    { dropped, names }: { dropped: readonly string[]; names: readonly string[] },
    instead: (field: Field) => string | undefined,
  ): string {
    const { places } = this.#index;
    const end = this.length - 2;
    let text = "";
    let from = places[0] ?? end;
    for (let at = 0; at < places.length; at += numbersPerField) {
      const start = places[at] ?? end;
      const nameEnd = places[at + 1] ?? end;
      const isDropped = isOneOf(this.#bytes, start, nameEnd, dropped);
      if (!isDropped && !isOneOf(this.#bytes, start, nameEnd, names)) continue;
      const next = places[at + numbersPerField] ?? end;
      text += this.textBetween(from, start);
      if (!isDropped) text += instead(this.#fieldAt(at)) ?? this.textBetween(start, next);
      from = next;
    }
    return text + this.textBetween(from, end);
  }

  /** Whether there is a field of one of these names. */
  hasAny(names: readonly string[]): boolean {
    for (const name of names) if (this.has(name)) return true;
    return false;
  }

  /** Whether there is such a field. */
  has(name: string): boolean {
    return this.#find(name) >= 0;
  }

  /** How many fields of this name there are. */
  count(name: string): number {
    let count = 0;
    for (let at = this.#find(name); at >= 0; at = this.#find(name, at + numbersPerField)) count += 1;
    return count;
  }

  /** Every value of a field, in order. */
  headers(name: string): readonly string[] {
    let at = this.#find(name);
    if (at < 0) return none;
    const values: string[] = [];
    for (; at >= 0; at = this.#find(name, at + numbersPerField)) values.push(this.#text(at + 2));
    return values;
  }

  /** The values of a field as one (RFC 9110 5.3): joined by commas, cookies by semicolons. */
  header(name: string): string | undefined {
    const at = this.#find(name);
    if (at < 0) return undefined;
    if (this.#find(name, at + numbersPerField) < 0) return this.#text(at + 2);
    return this.headers(name).join(name.toLowerCase() === "cookie" ? "; " : ", ");
  }

  /** Whether a field whose value is a list of tokens holds this one, in any case. */
  hasToken(name: string, token: string): boolean {
    const { places } = this.#index;
    for (let at = this.#find(name); at >= 0; at = this.#find(name, at + numbersPerField)) {
      if (hasItem(this.#bytes, places[at + 2] ?? 0, places[at + 3] ?? 0, token)) return true;
    }
    return false;
  }

  /** Whether the line of a field of this name has a tab. */
  hasTabIn(name: string): boolean {
    const { places } = this.#index;
    for (let at = this.#find(name); at >= 0; at = this.#find(name, at + numbersPerField)) {
      const tabAt = this.#bytes.indexOf(tab, places[at]);
      if (tabAt >= 0 && tabAt < (places[at + numbersPerField] ?? this.length)) return true;
    }
    return false;
  }

  /** Content-Length, where there is one. Throws a RelayProblem where there are several, or it is no whole number (RFC 9112 6.3). */
  get contentLength(): number | undefined {
    const at = this.#find("content-length");
    if (at < 0) return undefined;
    const length = wholeNumber(this.#bytes, this.#index.places[at + 2] ?? 0, this.#index.places[at + 3] ?? 0);
    if (length !== undefined && this.#find("content-length", at + numbersPerField) < 0) return length;
    const given = JSON.stringify(this.header("content-length"));
    throw new RelayProblem("invalid_request", `one Content-Length, a whole number, is needed; ${given} was given`);
  }

  /** Whether the connection may serve another message after this one, as far as its sender goes (RFC 9112 9.3). */
  get keepsAlive(): boolean {
    if (this.hasToken("connection", "close")) return false;
    return this.minorVersion === 1 || this.hasToken("connection", "keep-alive");
  }

  /** The bytes from `start` to `end`. */
  protected textBetween(start: number, end: number): string {
    return this.#bytes.toString("latin1", start, end);
  }

  #find(name: string, from = 0): number {
    return findField(this.#bytes, this.#index, name, from);
  }

  #fieldAt(at: number): Field {
    const name = this.#text(at);
    return { name, lowerName: name.toLowerCase(), value: this.#text(at + 2) };
  }

  /** The bytes from one number of the index to the next. */
  #text(at: number): string {
    const { places } = this.#index;
    return this.textBetween(places[at] ?? 0, places[at + 1] ?? 0);
  }
}

const none: readonly string[] = [];

const tab = 0x09;
