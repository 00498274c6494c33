// The global is an accessor of Node, which each read would ask.
import { Buffer } from "node:buffer";
import type { OnReadOpts } from "node:net";

const bufferBytes = 65_536;

/** What is read in small pieces is copied out of one buffer for all sockets: that costs less than a buffer for each read. */
const shared = Buffer.allocUnsafeSlow(bufferBytes);
/** From here on, copying costs more. */
const copiedBytesMax = 8_192;

/** Where a socket reads to, in place of what its "data" events cost. What it gave is its receiver's for good. */
export class ReadBuffer {
  readonly #onBytes: (bytes: Buffer) => void;
  #next = shared;

  constructor(onBytes: (bytes: Buffer) => void) {
    this.#onBytes = onBytes;
  }

  /** An option of `new Socket`. */
  get onread(): OnReadOpts {
    return {
      buffer: () => this.#next,
      callback: (length) => {
        this.#onBytes(this.#take(length));
        return true; // who wants no more for now pauses the socket
      },
    };
  }

  #take(length: number): Buffer {
    const bytes = this.#next.subarray(0, length);
    const isShared = this.#next === shared;
    this.#next = length > copiedBytesMax ? Buffer.allocUnsafeSlow(bufferBytes) : shared;
    return isShared ? Buffer.from(bytes) : bytes;
  }
}
