// The global is an accessor of Node, which each read would ask.
import { Buffer } from "node:buffer";
import type { OnReadOpts } from "node:net";

const bufferBytes = 65_536;

/** What is read in small pieces is copied out of one buffer for all sockets: that costs less than a buffer for each read. */
const shared = Buffer.allocUnsafeSlow(bufferBytes);
/** From here on, copying costs more. */
const copiedBytesMax = 8_192;

/**
 * Where a socket reads to, in place of what its "data" events cost: an option of `new Socket`. What it gave is its receiver's
 * for good.
 */
export function readBuffer(onBytes: (bytes: Buffer) => void): OnReadOpts {
  let next = shared;
  return {
    buffer: () => next,
    callback: (length) => {
      const bytes = next.subarray(0, length);
      const isShared = next === shared;
      next = length > copiedBytesMax ? Buffer.allocUnsafeSlow(bufferBytes) : shared;
      onBytes(isShared ? Buffer.from(bytes) : bytes);
      return true; // who wants no more for now pauses the socket
    },
  };
}
