/** Opcodes (RFC 6455 5.2): below 3 are data, continuations among them; these, and no others, are control frames. */
const dataOpcodeMax = 2;
const controlOpcodes: readonly number[] = [8, 9, 10];
const controlBytesMax = 125;

/**
 * Tells data from what only keeps a WebSocket alive, in the bytes of one direction, however they are cut (RFC 6455 5.2). Pings,
 * pongs and closes are not data. Payloads are skipped and not looked at, so that masks and extensions do not matter. Where the
 * bytes turn out not to be frames, all of them are data from then on: doubt never takes a client for gone.
 */
export class WebSocketFrames {
  #areFrames = true;
  #isData = false;
  /** Of the present frame's payload, what is to come. */
  #payloadLeft = 0;
  /** Its length, as far as the present header was read. */
  #length = 0;
  /** How much of the present header came, and is needed as far as is known: the second byte tells. */
  #headerRead = 0;
  #headerBytes = 2;
  /** Where the mask begins, which ends a header. */
  #lengthEnd = 2;

  /** Reads on. Returns whether there is anything of a data frame. */
  read(bytes: Buffer): boolean {
    let hasData = false;
    let at = 0;
    while (at < bytes.length) {
      if (!this.#areFrames) return true;
      if (this.#payloadLeft === 0) {
        hasData = this.#readHeaderByte(bytes.readUInt8(at)) || hasData;
        at += 1;
      } else {
        const skipped = Math.min(this.#payloadLeft, bytes.length - at);
        this.#payloadLeft -= skipped;
        at += skipped;
        hasData ||= this.#isData;
      }
    }
    return hasData;
  }

  /** Returns whether it was the last of a data frame's header, or shows that this is no header at all. */
  #readHeaderByte(byte: number): boolean {
    const index = this.#headerRead;
    this.#headerRead += 1;
    if (index === 0) this.#readFirst(byte);
    else if (index === 1) this.#readSecond(byte);
    else if (index < this.#lengthEnd) this.#length = this.#length * 256 + byte;
    if (this.#length > Number.MAX_SAFE_INTEGER) this.#areFrames = false;
    if (!this.#areFrames) return true;
    if (this.#headerRead < this.#headerBytes) return false;
    this.#payloadLeft = this.#length;
    this.#headerRead = 0;
    this.#headerBytes = 2;
    return this.#isData;
  }

  #readFirst(byte: number): void {
    const opcode = byte & 0x0f;
    const isFinal = (byte & 0x80) !== 0;
    this.#isData = opcode <= dataOpcodeMax;
    // A control frame is never fragmented (RFC 6455 5.5); opcodes that nobody has defined may mean anything.
    this.#areFrames = this.#isData || (controlOpcodes.includes(opcode) && isFinal);
  }

  #readSecond(byte: number): void {
    const short = byte & 0x7f;
    const isMasked = (byte & 0x80) !== 0;
    if (!this.#isData && short > controlBytesMax) this.#areFrames = false;
    const longBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    this.#length = longBytes === 0 ? short : 0;
    this.#lengthEnd = 2 + longBytes;
    this.#headerBytes = this.#lengthEnd + (isMasked ? 4 : 0);
  }
}
