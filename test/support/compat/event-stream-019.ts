import { connect, type Socket } from "node:net";

/** What 0.1.9's sweeper understands of an event. */
export interface LegacyState {
  readonly ready: boolean;
  readonly seconds_since_active?: number;
  readonly live_connections?: number;
}

export interface LegacyStreamOptions {
  /** Base of the relay's serve port, as in `status.url`. */
  readonly url: string;
  onState(state: LegacyState): void;
  /** Its sidecar is taken for dead: it could not be reached for about ten seconds. */
  onDead?(): void;
  /** As many dials as no test needs: it would go on for ever. Default 200. */
  readonly dialsMax?: number;
}

const prefix = "data: ";
const retryPauseMs = 100;
const retriesMax = 100;

/**
 * Reads `/_events` as 0.1.9's sweeper does: each piece of a chunk as it comes off the socket is to be one event, whole. A piece
 * that does not begin with `data: ` has it dial again at once; one that is no JSON, or an error, after 100 ms; a piece of less
 * than six bytes ends it for good.
 */
export class LegacyEventStream {
  readonly #options: LegacyStreamOptions;
  #socket: Socket | undefined;
  #retries = 0;
  #closed = false;
  /** How often it has dialled. */
  dials = 0;
  /** Whether a piece was so short that its task ended. */
  hasDied = false;

  constructor(options: LegacyStreamOptions) {
    this.#options = options;
    this.#dial();
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  #dial(): void {
    if (this.#closed || this.dials >= (this.#options.dialsMax ?? 200)) return;
    this.dials += 1;
    const { hostname, port, pathname } = new URL(`${this.#options.url}_events`);
    const socket = connect({ host: hostname, port: Number(port) });
    this.#socket = socket;
    const chunks = new Dechunker();
    socket.setTimeout(0);
    socket.write(`GET ${pathname} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n\r\n`);
    socket.on("data", (bytes) => {
      this.#retries = 0;
      for (const piece of chunks.read(bytes)) if (!this.#take(piece)) return;
      if (chunks.isOver) this.#again({ pauses: false });
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      if (this.#socket === socket) this.#again({ pauses: true });
    });
  }

  /** Whether it goes on with this connection. */
  #take(piece: Buffer): boolean {
    if (piece.length < prefix.length) {
      this.hasDied = true;
      this.close();
      return false;
    }
    if (piece.toString("latin1", 0, prefix.length) !== prefix) return this.#again({ pauses: false });
    const state = parse(piece.toString("utf8", prefix.length));
    if (state === undefined) return this.#again({ pauses: true });
    this.#options.onState(state);
    return true;
  }

  #again({ pauses }: { pauses: boolean }): false {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
    if (this.#closed) return false;
    this.#retries += 1;
    if (this.#retries > retriesMax) this.#options.onDead?.();
    else setTimeout(() => this.#dial(), pauses ? retryPauseMs : 0).unref();
    return false;
  }
}

function parse(json: string): LegacyState | undefined {
  try {
    const value = JSON.parse(json) as LegacyState;
    return typeof value.ready === "boolean" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Gives what there is of each chunk as soon as it is there, which is what the reader above takes for an event. */
class Dechunker {
  /** Whether the last chunk came. */
  isOver = false;
  #bytes = Buffer.alloc(0);
  #left: number | undefined;
  #coding: "unknown" | "chunked" | "none" = "unknown";

  read(bytes: Buffer): Buffer[] {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    if (this.#coding === "unknown" && !this.#readHead()) return [];
    if (this.#coding === "none") return this.#bytes.length > 0 ? [this.#bytes] : [];
    const pieces: Buffer[] = [];
    while (this.#bytes.length > 0) {
      if (this.#left === undefined) {
        const end = this.#bytes.indexOf("\r\n");
        if (end < 0) break;
        this.#left = Number.parseInt(this.#bytes.toString("latin1", 0, end), 16);
        this.#bytes = this.#bytes.subarray(end + 2);
        if (this.#left === 0) this.isOver = true;
      }
      const piece = this.#bytes.subarray(0, this.#left);
      if (piece.length > 0) pieces.push(piece);
      this.#left -= piece.length;
      this.#bytes = this.#bytes.subarray(piece.length);
      if (this.#left > 0 || !this.#skip("\r\n")) break;
      this.#left = undefined;
    }
    return pieces;
  }

  #readHead(): boolean {
    const head = this.#bytes.toString("latin1", 0, this.#bytes.indexOf("\r\n\r\n") + 2).toLowerCase();
    if (!this.#skip("\r\n\r\n")) return false;
    this.#coding = head.includes("\r\ntransfer-encoding: chunked\r\n") ? "chunked" : "none";
    return true;
  }

  #skip(end: string): boolean {
    const at = this.#bytes.indexOf(end);
    if (at < 0) return false;
    this.#bytes = this.#bytes.subarray(at + end.length);
    return true;
  }
}
