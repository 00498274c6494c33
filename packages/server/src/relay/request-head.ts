import { type HeadParts, MessageHead } from "./message-head.ts";

/** The head of a request. */
export class RequestHead extends MessageHead {
  readonly method: string;
  readonly #targetStart: number;
  readonly #targetEnd: number;
  #target: string | undefined;
  #cookie: string | undefined;

  constructor(parts: HeadParts & { method: string; targetStart: number; targetEnd: number }) {
    super(parts);
    this.method = parts.method;
    this.#targetStart = parts.targetStart;
    this.#targetEnd = parts.targetEnd;
  }

  /** What is asked for, as it came: in most cases a path with its query. */
  get target(): string {
    this.#target ??= this.textBetween(this.#targetStart, this.#targetEnd);
    return this.#target;
  }

  /** All its cookies; "" where there are none. */
  get cookie(): string {
    this.#cookie ??= this.header("cookie") ?? "";
    return this.#cookie;
  }

  /** The protocol that is asked for in place of HTTP, in lower case; undefined if none is (RFC 9110 7.8). */
  get upgrade(): string | undefined {
    if (this.minorVersion === 0 || !this.hasToken("connection", "upgrade")) return undefined;
    return this.header("upgrade")?.toLowerCase() || undefined;
  }

  /** Whether it announces a body. Throws a RelayProblem where it does so in a way that is refused. */
  get hasBody(): boolean {
    return this.has("transfer-encoding") || (this.contentLength ?? 0) > 0;
  }

  /** Whether sending it twice means no more than sending it once (RFC 9110 9.2.2). */
  get isIdempotent(): boolean {
    return idempotentMethods.has(this.method);
  }
}

const idempotentMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);
