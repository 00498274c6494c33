import type { RequestHead } from "./request-head.ts";

/** Of the statuses that a relay answers with itself; a table of its own, since importing node:http for one costs memory. */
const reasonPhrases: Readonly<Record<number, string>> = {
  200: "OK",
  302: "Found",
  303: "See Other",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  421: "Misdirected Request",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

/** Controls; anything else is sent as UTF-8. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be sent
const notInValue = /[\x00-\x08\x0a-\x1f\x7f]/g;

/** A response of the relay's own. */
export interface Answer {
  readonly status: number;
  /** Beside Date, Content-Length and Connection, which are set by the relay. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The bytes of an answer to `head`; the connection is closed after it. One to HEAD gets no body. */
export function encodeAnswer(
  { status, headers = {}, body = "" }: Answer,
  head: Pick<RequestHead, "method"> | undefined,
): Buffer {
  const fields = {
    ...headers,
    date: new Date().toUTCString(),
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value.replace(notInValue, " ")}\r\n`);
  const first = `HTTP/1.1 ${status} ${reasonPhrases[status] ?? "Unknown"}\r\n`;
  return Buffer.from(`${first}${lines.join("")}\r\n${head?.method === "HEAD" ? "" : body}`, "utf8");
}
