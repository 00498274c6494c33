import { RelayProblem } from "./problem.ts";

/** Where the fields of a head are in its bytes. Makes no strings: where a head goes on as it came, most fields are never looked at. */
export interface FieldIndex {
  /** Four numbers a field, one field after the other: where its name starts and ends, and where its value starts and ends. */
  readonly places: readonly number[];
  /** The bits of all names. Names share bits: one that has none of its own here is not there, one that has may be. */
  readonly nameBits: number;
  /** Where the head ends, with its empty line. */
  readonly headEnd: number;
}

export const numbersPerField = 4;

const [tab, lf, cr, space, comma, colon] = [0x09, 0x0a, 0x0d, 0x20, 0x2c, 0x3a];

/** For each byte, whether it may be in a token (RFC 9110 5.6.2), as which the name of a field is written, or a method. */
const isInToken = table((byte) => (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(byte)) ? 1 : 0));
/** For each byte, whether it may be in a field's value: HTAB, or anything that is no control (RFC 9110 5.5). */
const isInValue = table((byte) => (byte === tab || (byte >= space && byte !== 0x7f) ? 1 : 0));
/** Each byte in lower case, as ASCII has it. */
const lowerOf = table((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));

/**
 * Finds the fields of a head that is complete, from the end of its first line to its empty one; `bytes` may go on behind it.
 * RFC 9110 5: a token, a colon right behind it, a value without controls, no line folding. Throws a RelayProblem.
 */
export function indexFields(
  bytes: Uint8Array,
  firstLineEnd: number,
  { headerCountMax }: { headerCountMax: number },
): FieldIndex {
  const places: number[] = [];
  let nameBits = 0;
  let at = afterLineEnd(bytes, firstLineEnd);
  while (bytes[at] !== cr) {
    if (places.length === headerCountMax * numbersPerField) {
      throw new RelayProblem("head_too_large", `the head has more than ${headerCountMax} fields`);
    }
    const nameStart = at;
    at = afterToken(bytes, at);
    const nameEnd = at;
    if (nameEnd === nameStart || bytes[nameEnd] !== colon) throw malformed();
    at += 1;
    while (isBlank(bytes[at])) at += 1;
    const valueStart = at;
    at = afterValue(bytes, at);
    const lineEnd = at;
    let valueEnd = lineEnd;
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1])) valueEnd -= 1;
    places.push(nameStart, nameEnd, valueStart, valueEnd);
    nameBits |= bitOf(lowerOf[bytes[nameStart] ?? 0] ?? 0, nameEnd - nameStart);
    at = afterLineEnd(bytes, lineEnd);
  }
  return { places, nameBits, headEnd: afterLineEnd(bytes, at) };
}

/** Where in the places the next field of this name is, from `from` on; below 0 where there is none. */
export function findField(bytes: Uint8Array, { places, nameBits }: FieldIndex, name: string, from = 0): number {
  if ((nameBits & bitOf(lowerOf[name.charCodeAt(0)] ?? 0, name.length)) === 0) return -1;
  for (let at = from; at < places.length; at += numbersPerField) {
    if (isText(bytes, places[at] ?? 0, places[at + 1] ?? 0, name)) return at;
  }
  return -1;
}

/** Whether the bytes from `start` to `end` are this text, in any case. */
export function isText(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let at = 0; at < text.length; at += 1) {
    if (lowerOf[bytes[start + at] ?? 0] !== lowerOf[text.charCodeAt(at)]) return false;
  }
  return true;
}

/** Whether the list from `start` to `end` (RFC 9110 5.6.1) has this item, in any case. */
export function hasItem(bytes: Uint8Array, start: number, end: number, item: string): boolean {
  for (let from = start; from <= end; ) {
    let itemEnd = from;
    while (itemEnd < end && bytes[itemEnd] !== comma) itemEnd += 1;
    const next = itemEnd + 1;
    while (from < itemEnd && isBlank(bytes[from])) from += 1;
    while (itemEnd > from && isBlank(bytes[itemEnd - 1])) itemEnd -= 1;
    if (isText(bytes, from, itemEnd, item)) return true;
    from = next;
  }
  return false;
}

/** Whether the byte at `at` is one of these letters, which are lower-case, in any case. */
export function beginsWithOneOf(bytes: Uint8Array, at: number, letters: string): boolean {
  const first = lowerOf[bytes[at] ?? 0];
  for (let letter = 0; letter < letters.length; letter += 1) if (first === letters.charCodeAt(letter)) return true;
  return false;
}

/** Where the token that begins at `from` ends; there, where there is none. */
export function afterToken(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isInToken[bytes[at] ?? 0] === 1) at += 1;
  return at;
}

/** Where a field's value, or a response's reason, that begins at `from` ends, with the blanks behind it. */
export function afterValue(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isInValue[bytes[at] ?? 0] === 1) at += 1;
  return at;
}

/** What lies behind a line that ends there. */
function afterLineEnd(bytes: Uint8Array, lineEnd: number): number {
  if (bytes[lineEnd] !== cr || bytes[lineEnd + 1] !== lf) throw malformed();
  return lineEnd + 2;
}

/** One of 32, by what costs least to look at. */
function bitOf(firstLetter: number, length: number): number {
  return 1 << ((firstLetter ^ length) & 31);
}

function isBlank(byte: number | undefined): boolean {
  return byte === space || byte === tab;
}

function malformed(): RelayProblem {
  return new RelayProblem("invalid_request", "a field line is malformed");
}

function table(entryOf: (byte: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => entryOf(byte));
}
