// How the bytes of a head are read. Makes no strings: most of a head is never looked at as text.

const [tab, space, comma, del] = [0x09, 0x20, 0x2c, 0x7f];

/** For each byte, whether it may be in a token (RFC 9110 5.6.2), as which the name of a field is written, or a method. */
const isInToken = new Uint8Array(256);
/** For each byte, whether it may be in a field's value: HTAB, or anything that is no control (RFC 9110 5.5). */
const isInValue = new Uint8Array(256).fill(1, space);
/** Each byte in lower case, as ASCII has it. */
const lowerOf = Uint8Array.from(Array(256).keys());

isInValue[tab] = 1;
isInValue[del] = 0;
for (const byte of Buffer.from("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")) isInToken[byte] = 1;
for (let upper = 0x41; upper <= 0x5a; upper += 1) {
  lowerOf[upper] = upper + 0x20;
  isInToken[upper] = 1;
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

/** Whether the bytes from `start` to `end` are one of these names, in any case. */
export function isOneOf(bytes: Uint8Array, start: number, end: number, names: readonly string[]): boolean {
  for (const name of names) if (isText(bytes, start, end, name)) return true;
  return false;
}

/** Whether this text, which is ASCII, begins at `from`, in this case. */
export function isAt(bytes: Uint8Array, from: number, text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (bytes[from + at] !== text.charCodeAt(at)) return false;
  return true;
}

/** The digit at `at`; undefined where there is none. */
export function digitAt(bytes: Uint8Array, at: number): number | undefined {
  const digit = (bytes[at] ?? 0) - 0x30;
  return digit >= 0 && digit <= 9 ? digit : undefined;
}

/** The number that is written from `start` to `end`, in digits alone; undefined where it is none, or too large. */
export function wholeNumber(bytes: Uint8Array, start: number, end: number): number | undefined {
  let number = 0;
  for (let at = start; at < end; at += 1) {
    const digit = digitAt(bytes, at);
    if (digit === undefined) return undefined;
    number = number * 10 + digit;
    if (number > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return end > start ? number : undefined;
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

/** Whether this byte may be in a field's value. */
export function isValueByte(byte: number): boolean {
  return isInValue[byte] === 1;
}

/** As ASCII has it. */
export function inLowerCase(byte: number): number {
  return lowerOf[byte] ?? 0;
}

/** SP and HTAB (RFC 9110 5.6.3). */
export function isBlank(byte: number | undefined): boolean {
  return byte === space || byte === tab;
}
