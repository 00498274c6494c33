import { afterToken, afterValue, inLowerCase, isBlank, isText } from "./head-bytes.ts";
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

const [lf, cr, colon] = [0x0a, 0x0d, 0x3a];

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
    nameBits |= bitOf(inLowerCase(bytes[nameStart] ?? 0), nameEnd - nameStart);
    at = afterLineEnd(bytes, lineEnd);
  }
  return { places, nameBits, headEnd: afterLineEnd(bytes, at) };
}

/** Where in the places the next field of this name is, from `from` on; below 0 where there is none. */
export function findField(bytes: Uint8Array, { places, nameBits }: FieldIndex, name: string, from = 0): number {
  if ((nameBits & bitOf(inLowerCase(name.charCodeAt(0)), name.length)) === 0) return -1;
  for (let at = from; at < places.length; at += numbersPerField) {
    if (isText(bytes, places[at] ?? 0, places[at + 1] ?? 0, name)) return at;
  }
  return -1;
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

function malformed(): RelayProblem {
  return new RelayProblem("invalid_request", "a field line is malformed");
}
