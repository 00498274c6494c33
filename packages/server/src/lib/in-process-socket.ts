import { Duplex } from "node:stream";

type Done = (error?: Error | null) => void;

/**
 * One end of a connection within this process: what the system would do for two sockets, without its calls. Like those, an
 * end that is closed sends its end to the other one, which reads what came before it; what is written to a closed end is lost.
 */
export class InProcessSocket extends Duplex {
  /** Until it is paired, it is nobody's. */
  #peer: InProcessSocket = this;
  /** Tells the peer that its last bytes were taken, once there is room again. */
  #taken: Done | undefined;
  #hasPeerEnded = false;

  /**
   * Both ends: one for a client, which hears "connect" soon, and one to be emitted to an `http.Server` as a "connection"
   * (https://nodejs.org/api/http.html#event-connection).
   */
  static pair(): { client: InProcessSocket; server: InProcessSocket } {
    const client = new InProcessSocket();
    const server = new InProcessSocket();
    client.#peer = server;
    server.#peer = client;
    process.nextTick(() => {
      if (!client.destroyed) client.emit("connect");
    });
    return { client, server };
  }

  /** None of its writes fails: those that nobody reads any more are lost. */
  get writeError(): undefined {
    return undefined;
  }

  /** As `net.Socket` has it: closes it when what was written is sent. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  /** As `net.Socket` has it: the other end is told that this was no orderly end. */
  resetAndDestroy(): this {
    this.#peer.destroy(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
    return this.destroy();
  }

  /** Never at once: whoever writes is not interrupted by what the other end makes of it. */
  override _write(bytes: Buffer, _: BufferEncoding, written: Done): void {
    process.nextTick(() => this.#peer.#receive(bytes, written));
  }

  override _final(ended: Done): void {
    process.nextTick(() => {
      this.#peer.#receiveEnd();
      ended();
    });
  }

  override _read(): void {
    this.#letWrite();
  }

  override _destroy(error: Error | null, destroyed: Done): void {
    this.#letWrite();
    process.nextTick(() => this.#peer.#receiveEnd());
    destroyed(error);
  }

  #receive(bytes: Buffer, written: Done): void {
    if (this.destroyed || this.push(bytes)) written();
    else this.#taken = written;
  }

  #receiveEnd(): void {
    if (this.destroyed || this.#hasPeerEnded) return;
    this.#hasPeerEnded = true;
    this.push(null);
  }

  #letWrite(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }
}
