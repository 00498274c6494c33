import { type BodyFraming, LengthFraming, noBody, untilClose } from "./body-framing.ts";
import { ChunkedFraming, type TrailerRules } from "./chunked-framing.ts";
import type { MessageHead } from "./message-head.ts";
import { RelayProblem } from "./problem.ts";
import type { RequestHead } from "./request-head.ts";
import type { ResponseHead } from "./response-head.ts";

/** Framing of a request's body (RFC 9112 6.3). What two readers could frame differently is refused. */
export function requestFraming(head: RequestHead, rules: TrailerRules): BodyFraming {
  return lengthOrChunked(head, rules) ?? noBody;
}

/** Framing of the body of a response to `request`. One to HEAD, of 204 or of 304 has none, whatever it says, but must say it well (RFC 9112 6.3). */
export function responseFraming(
  head: ResponseHead,
  request: Pick<RequestHead, "method">,
  limits: { headBytesMax: number },
): BodyFraming {
  const framing = lengthOrChunked(head, limits);
  // A server must not (RFC 9110 8.6, RFC 9112 6.1), and llhttp reads a body there.
  if (head.isInterim && framing !== undefined && !framing.isDone) throw bad("an interim response announces a body");
  const isBodiless = head.isInterim || head.status === 204 || head.status === 304;
  if (isBodiless || request.method === "HEAD") return noBody;
  return framing ?? untilClose;
}

function lengthOrChunked(head: MessageHead, rules: TrailerRules): BodyFraming | undefined {
  if (head.has("transfer-encoding")) {
    requireChunked(head);
    return new ChunkedFraming(rules);
  }
  const length = head.contentLength;
  if (length === undefined) return undefined;
  return length === 0 ? noBody : new LengthFraming(length);
}

function requireChunked(head: MessageHead): void {
  if (head.has("content-length")) throw bad("both Content-Length and Transfer-Encoding are given");
  if (head.minorVersion === 0) throw bad("Transfer-Encoding is given in HTTP/1.0");
  const encodings = head.headers("transfer-encoding");
  // Some parsers, llhttp among them, do not take a tab for the white space that it is, and read another coding.
  const isChunked = encodings.length === 1 && encodings[0]?.toLowerCase() === "chunked";
  if (isChunked && !head.hasTabIn("transfer-encoding")) return;
  throw bad(`the only Transfer-Encoding taken is "chunked", ${JSON.stringify(encodings.join(", "))} was given`);
}

function bad(message: string): RelayProblem {
  return new RelayProblem("invalid_request", message);
}
