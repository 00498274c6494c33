import { RelayProblem } from "./problem.ts";

/** Four numbers a field, one field after the other: where its name starts and ends, and where its value starts and ends. */
export type FieldIndex = readonly number[];

export const numbersPerField = 4;

const [tab, lf, cr, space, colon] = [0x09, 0x0a, 0x0d, 0x20, 0x3a];

/** For each byte, whether it may be in a field's name: that is a token (RFC 9110 5.6.2). */
const isInName = table((byte) => (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(byte)) ? 1 : 0));
/** For each byte, whether it may be in a field's value: HTAB, or anything that is no control (RFC 9110 5.5). */
const isInValue = table((byte) => (byte === tab || (byte >= space && byte !== 0x7f) ? 1 : 0));
/** Each byte in lower case, as ASCII has it. */
const lowerOf = table((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));

/**
 * Finds the fields of a head, from the end of its first line to its empty one. RFC 9110 5: a token, a colon right behind it,
 * a value without controls, no line folding. Throws a RelayProblem. Makes no strings: where a head goes on as it came, most of
 * its fields are never looked at.
 */
export function indexFields(
  raw: Uint8Array,
  firstLineEnd: number,
  { headerCountMax }: { headerCountMax: number },
): FieldIndex {
  const index: number[] = [];
  const end = raw.length - 2;
  for (let at = afterLineEnd(raw, firstLineEnd); at < end; ) {
    if (index.length === headerCountMax * numbersPerField) {
      throw new RelayProblem("head_too_large", `the head has more than ${headerCountMax} fields`);
    }
    const nameStart = at;
    while (isInName[raw[at] ?? 0] === 1) at += 1;
    const nameEnd = at;
    if (nameEnd === nameStart || raw[nameEnd] !== colon) throw malformed();
    at += 1;
    while (isBlank(raw[at])) at += 1;
    const valueStart = at;
    while (isInValue[raw[at] ?? 0] === 1) at += 1;
    const lineEnd = at;
    let valueEnd = lineEnd;
    while (valueEnd > valueStart && isBlank(raw[valueEnd - 1])) valueEnd -= 1;
    index.push(nameStart, nameEnd, valueStart, valueEnd);
    at = afterLineEnd(raw, lineEnd);
  }
  return index;
}

/** Whether the bytes from `start` to `end` are this name, in any case. */
export function isNamed(raw: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false;
  for (let at = 0; at < name.length; at += 1) {
    if (lowerOf[raw[start + at] ?? 0] !== lowerOf[name.charCodeAt(at)]) return false;
  }
  return true;
}

function afterLineEnd(raw: Uint8Array, lineEnd: number): number {
  if (raw[lineEnd] !== cr || raw[lineEnd + 1] !== lf) throw malformed();
  return lineEnd + 2;
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
