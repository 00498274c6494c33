/** What is used of Node's own binding to llhttp: its `node:http` reads everything by this. */
interface HttpParser {
  initialize(type: number, resource: object, maxHeaderBytes: number, lenientFlags: number): void;
  execute(bytes: Buffer): number | (Error & { code: string });
  finish(): undefined | (Error & { code: string });
  [callback: number]: unknown;
}

interface HttpParserClass {
  new (): HttpParser;
  readonly REQUEST: number;
  readonly RESPONSE: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnMessageComplete: number;
  readonly kLenientNone: number;
}

const { HTTPParser } = process.getBuiltinModule("node:_http_common") as unknown as { HTTPParser: HttpParserClass };

/** More than any test sends: a limit of Node's, not a rule of llhttp's. */
const maxHeaderBytes = 2 ** 24;

/** One side's reading of a connection by llhttp, with no leniency allowed. */
export class LlhttpReader {
  /** Of the heads that were whole: names and values in turn. */
  readonly heads: { readonly fields: readonly string[]; readonly status: number }[] = [];
  /** Whole messages. */
  messages = 0;
  /** Why it reads no further. */
  errorCode: string | undefined;
  /** The method of the request that the next final response answers. */
  method = "GET";
  readonly #parser = new HTTPParser();
  readonly #kind: "request" | "response";
  #fields: string[] = [];
  #asksForUpgrade = false;

  constructor(kind: "request" | "response") {
    this.#kind = kind;
    const parser = this.#parser;
    parser[HTTPParser.kOnHeaders] = (fields: string[]) => this.#fields.push(...fields); // with many, they come in parts
    parser[HTTPParser.kOnHeadersComplete] = this.#onHead.bind(this);
    parser[HTTPParser.kOnMessageComplete] = () => {
      this.messages += 1;
      this.#fields = []; // a trailer's
    };
    this.restart();
  }

  /** As on a new connection; what was read stays. */
  restart(): void {
    this.errorCode = undefined;
    this.#fields = [];
    const type = this.#kind === "request" ? HTTPParser.REQUEST : HTTPParser.RESPONSE;
    this.#parser.initialize(type, {}, maxHeaderBytes, HTTPParser.kLenientNone);
  }

  read(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0 && this.errorCode === undefined) {
      const before = this.messages;
      const read = this.#parser.execute(rest);
      const isBetween = this.messages > before && this.messages === this.heads.length;
      if (typeof read !== "number") this.errorCode = read.code;
      // Node's binding keeps errors to itself behind the head of a request for an upgrade, and only stops short.
      else if (read < rest.length && !isBetween) this.errorCode = "HPE_UNNAMED";
      else rest = rest.subarray(read);
      // A server that does not know the protocol that was asked for reads on with HTTP.
      if (isBetween && this.#asksForUpgrade && this.errorCode === undefined) this.restart();
    }
  }

  end(): void {
    this.errorCode ??= this.#parser.finish()?.code;
  }

  #onHead(
    _major: number,
    _minor: number,
    fields: string[] | undefined,
    _method: number,
    _target: string,
    status: number,
    _reason: string,
    upgrade: boolean,
  ): number {
    this.heads.push({ fields: [...this.#fields, ...(fields ?? [])], status });
    this.#fields = [];
    this.#asksForUpgrade = upgrade;
    if (this.#kind === "request") return 0;
    // Whether there is a body is for the caller to say here, by RFC 9112 6.3: llhttp knows neither the request nor these.
    const isBodiless = status < 200 || status === 204 || status === 304;
    return isBodiless || this.method === "HEAD" ? 1 : 0;
  }
}
