import { Socket, type TcpNetConnectOpts } from "node:net";
import { readBuffer } from "./read-buffer.ts";

type Written = (error?: Error | null) => void;

/**
 * A connection that is not given up at the first write that fails. An upstream that answers and closes without having read
 * the request resets the connection, and which is seen first, the reset by a write or the answer by a read, is chance: Node
 * destroys a socket at the failure of either, with what had come. Here a failed write is kept to itself, nothing is written
 * any more, and what was received is read to its end. (Linux keeps it beyond a reset; a system that does not has lost it.)
 */
export class UpstreamSocket extends Socket {
  #written: Written = () => {};
  #writeError: Error | undefined;

  /** What is received goes to `onBytes`; there are no "data" events, which cost more. */
  constructor(options: TcpNetConnectOpts, onBytes: (bytes: Buffer) => void) {
    super({ ...options, onread: readBuffer(onBytes) });
    this.connect(options);
  }

  /** Why a write failed: what is read until the end is the last that there is, and the end is no orderly one. */
  get writeError(): Error | undefined {
    return this.#writeError;
  }

  override _write(chunk: unknown, encoding: BufferEncoding, written: Written): void {
    this.#written = written;
    super._write(chunk, encoding, this.#onWritten);
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], written: Written): void {
    this.#written = written;
    super._writev?.(chunks, this.#onWritten);
  }

  /** One for all writes, since there is one at a time. It never comes back from one that fails, so that no other begins. */
  readonly #onWritten: Written = (error) => {
    if (!error || this.readableEnded) return this.#written(error);
    this.#writeError = error;
  };
}
