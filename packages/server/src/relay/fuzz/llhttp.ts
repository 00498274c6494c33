/** What is used of Node's own binding to llhttp: its `node:http` reads everything by this. */
interface HttpParser {
  initialize(type: number, resource: object, maxHeaderBytes: number, lenientFlags: number): void;
  execute(bytes: Buffer): number | (Error & { code: string });
  finish(): undefined | (Error & { code: string });
  close(): void;
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

const { HTTPParser, methods: methodNames } = process.getBuiltinModule("node:_http_common") as unknown as {
  HTTPParser: HttpParserClass;
  /** By llhttp's numbers. */
  methods: readonly string[];
};

/** More than any test sends: a limit of Node's, not a rule of llhttp's. */
const maxHeaderBytes = 2 ** 24;

/** One side's reading of a connection by llhttp, with no leniency allowed. To be disposed of: no garbage collector frees a parser. */
export class LlhttpReader implements Disposable {
  /** Of the heads that were whole: names and values in turn. */
  readonly heads: { readonly fields: readonly string[]; readonly status: number }[] = [];
  /** Of the requests among them. */
  readonly methods: string[] = [];
  /** Whole messages. */
  messages = 0;
  /** Why it reads no further. */
  errorCode: string | undefined;
  readonly #parser = new HTTPParser();
  readonly #kind: "request" | "response";
  #fields: string[] = [];
  #asksForUpgrade = false;
  /** Where this reads responses: the methods of what they answer, as llhttp reads it. */
  readonly #answered: readonly string[];

  constructor(kind: "request" | "response", requests: Buffer = Buffer.alloc(0)) {
    this.#kind = kind;
    this.#answered = requests.length === 0 ? [] : methodsIn(requests);
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

  [Symbol.dispose](): void {
    this.#parser.close();
  }

  #onHead(
    _major: number,
    _minor: number,
    fields: string[] | undefined,
    method: number,
    _target: string,
    status: number,
    _reason: string,
    upgrade: boolean,
  ): number {
    this.heads.push({ fields: [...this.#fields, ...(fields ?? [])], status });
    this.#fields = [];
    this.#asksForUpgrade = upgrade;
    if (this.#kind === "request") {
      this.methods.push(methodNames[method] ?? "");
      return 0;
    }
    // All that llhttp has to be told, since it does not know the request: what has no body for its status, it knows.
    return this.#answeredMethod() === "HEAD" ? 1 : 0;
  }

  /** Of the request that this response answers; interim ones do not use it up. */
  #answeredMethod(): string | undefined {
    const before = this.heads.filter(({ status }) => status >= 200).length - 1;
    return this.#answered[Math.min(before, this.#answered.length - 1)];
  }
}

function methodsIn(requests: Buffer): string[] {
  using reader = new LlhttpReader("request");
  reader.read(requests);
  return reader.methods;
}
