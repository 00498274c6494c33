/** Finds the end of a message's body, and changes nothing (RFC 9112 6). */
export interface BodyFraming {
  /** Reads on at `from`; returns where the body ends in `bytes`, or `bytes.length` if it goes on. Throws a RelayProblem. */
  read(bytes: Buffer, from: number): number;
  readonly isDone: boolean;
  /** Whether only the end of the connection ends the body. */
  readonly isUntilClose: boolean;
}

/** Only the end of the connection ends it. */
export const untilClose: BodyFraming = { read: (bytes) => bytes.length, isDone: false, isUntilClose: true };

/** As many bytes as Content-Length says (RFC 9112 6.2). */
export class LengthFraming implements BodyFraming {
  readonly isUntilClose = false;
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  get isDone(): boolean {
    return this.#left === 0;
  }

  read(bytes: Buffer, from: number): number {
    const taken = Math.min(this.#left, bytes.length - from);
    this.#left -= taken;
    return from + taken;
  }
}

export const noBody: BodyFraming = new LengthFraming(0);
