/** Without the end of a UTF-8 character that was cut in two (RFC 3629: such bytes begin with the bits 10). */
export function fromWholeCharacter(text: Buffer): Buffer {
  const start = text.subarray(0, 4).findIndex((byte) => (byte & 0xc0) !== 0x80);
  return text.subarray(Math.max(start, 0));
}

/** The start of a text that has at most so many bytes as UTF-8, without a part of a character. */
export function wholeStart(text: string, bytesMax: number): string {
  const start = Buffer.from(text).subarray(0, bytesMax);
  return new TextDecoder().decode(start, { stream: true }); // a stream's last character may be yet to come, and is kept back
}
