import { maxHeaderSize, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { ErrorCode } from "@spawner/client";
import { makeErrorAnswer } from "../core/error-body.ts";
import type { Clock } from "../lib/clock.ts";
import type { HttpExchange, LatestExchanges } from "./latest-exchanges.ts";

const socketErrors: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: "head_too_large",
};

/**
 * How long a request that is late gets yet. Where the process did not run for a while, Node looks at the time before it
 * looks at what came meanwhile: that is read in this time, so that nobody is refused for our own absence.
 */
const secondLookMs = 1_000;

/**
 * Answers what no route ever sees: what is no HTTP, what comes too slowly, CONNECT. An answer that is owed for an earlier
 * message on the connection goes out first, and nothing is written into the middle of one: the client could only take it for
 * what it is not.
 */
export class ClientErrors {
  readonly #clock: Clock;
  readonly #onAnswered: (status: number) => void;
  readonly #latest: LatestExchanges;
  readonly #ending = new WeakSet<Duplex>();

  constructor(deps: { clock: Clock; latest: LatestExchanges; onAnswered: (status: number) => void }) {
    const { clock, latest, onAnswered } = deps;
    this.#clock = clock;
    this.#latest = latest;
    this.#onAnswered = onAnswered;
  }

  /** For `clientErrorHandler`. */
  readonly answer = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    if (error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") return this.#lookAgain(socket);
    const code = socketErrors[error.code ?? ""] ?? "invalid_request";
    this.#refuse(socket, code, messages[code] ?? `The request is not HTTP/1.1: ${error.message}.`);
  };

  attach(server: Server): void {
    server.on("connect", (_, socket) => {
      socket.on("error", () => socket.destroy());
      this.#refuse(socket, "not_implemented", "CONNECT is not offered here.");
    });
  }

  /** Refuses a request that is late, unless it is whole soon. */
  #lookAgain(socket: Duplex): void {
    const before = this.#latest.of(socket);
    const isInBody = before?.request.complete === false;
    this.#clock.after(secondLookMs, () => {
      const late = isInBody ? before : this.#latest.of(socket);
      const hasCome = late?.request.complete === true && (isInBody || late !== before);
      if (!hasCome) this.#refuse(socket, "timeout", tooLate);
    });
  }

  #refuse(socket: Duplex, code: ErrorCode, message: string): void {
    if (this.#ending.has(socket)) return;
    this.#ending.add(socket);
    const latest = this.#latest.of(socket);
    if (!socket.writable) socket.destroy();
    else if (latest === undefined || isAnswerDue(latest, socket)) this.#end(socket, makeErrorAnswer(code, message));
    else if (latest.request.complete) endAfter(latest.response, socket);
    else socket.destroy();
  }

  #end(socket: Duplex, answer: ReturnType<typeof makeErrorAnswer>): void {
    this.#onAnswered(answer.status);
    socket.end(encode(answer));
  }
}

/** Whether the next answer on the connection is to the message that is at fault. */
function isAnswerDue({ request, response }: HttpExchange, socket: Duplex): boolean {
  if (request.complete) return response.writableFinished;
  return !response.headersSent && response.socket === socket;
}

const tooLate = "The request did not arrive whole in time: is its body as long as Content-Length says?";

const messages: Partial<Readonly<Record<ErrorCode, string>>> = {
  head_too_large: `The head of a request may have ${maxHeaderSize} bytes at most.`,
};

function endAfter(response: ServerResponse, socket: Duplex): void {
  if (!response.headersSent) response.setHeader("connection", "close");
  response.once("close", () => socket.end());
}

function encode({ status, headers, body }: ReturnType<typeof makeErrorAnswer>): string {
  const fields = {
    ...headers,
    date: new Date().toUTCString(),
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`;
}
