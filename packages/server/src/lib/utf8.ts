/** Without the end of a UTF-8 character that was cut in two (RFC 3629: such bytes begin with the bits 10). */
export function fromWholeCharacter(text: Buffer): Buffer {
  const start = text.subarray(0, 4).findIndex((byte) => (byte & 0xc0) !== 0x80);
  return text.subarray(Math.max(start, 0));
}
