/** What the upstream of the chaos answers, known to both sides: `/<kind>/<number>/<how>`. */
import type { Answer } from "../response.ts";

/** Chances, the same for the same seed. */
export interface Choices {
  below(bound: number): number;
  from<T>(items: readonly T[]): T;
}

const filler = Buffer.from("spawner ".repeat(128 * 1024));

/** Bytes that tell where they are from: a shift of them is another text. */
export function bytesOf(length: number): Buffer {
  return filler.subarray(0, length);
}

export const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
export const greeting = "hello";
/** Sent through a tunnel, it has the upstream end it. */
export const farewell = "\0bye";

/** Where a handler sends what the upstream is to turn down (421), so that the handler is asked again. */
export const misdirected = "/refuse/421";
/** What a handler answers in place of the upstream. */
export const saidByHandler: Answer = { status: 503, body: "said by the handler" };

/** With the trailers that all chunked messages have here, of requests too. */
export const lastChunk = "0\r\nX-Sum: 1\r\n\r\n";

export interface Target {
  readonly kind: string;
  readonly count: number;
  readonly how: string;
}

export function parseTarget(target: string): Target {
  const [, kind = "", count = "0", how = ""] = target.split("/");
  return { kind, count: Number(count), how };
}

/** Those that are big are of few kinds, and made once. */
const bigAnswers = new Map<string, Buffer>();

/** The whole answer, where there is one. */
export function answerTo(target: Target): Buffer {
  if (target.count < 50_000) return makeAnswer(target);
  const name = `${target.kind} ${target.count}`;
  const answer = bigAnswers.get(name) ?? makeAnswer(target);
  bigAnswers.set(name, answer);
  return answer;
}

/** What an answer that the upstream breaks off would have been. */
export function wholeOfCut(kind: string): Buffer {
  return answerTo({ kind: kind === "cut-chunked" ? "chunked" : "ok", count: 5_000, how: "" });
}

function makeAnswer({ kind, count }: Target): Buffer {
  const body = bytesOf(count);
  switch (kind) {
    case "chunked":
      return chunked(body);
    case "until-close":
      return Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\n\r\n"), body]);
    case "hints":
      return Buffer.concat([Buffer.from("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), withLength(body, 200)]);
    case "last":
      return Buffer.concat([
        Buffer.from(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${count}\r\n\r\n`),
        body,
      ]);
    case "refuse":
      return withLength(bytesOf(3), count);
    default:
      return withLength(body, 200);
  }
}

function withLength(body: Buffer, status: number): Buffer {
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} Said\r\nContent-Length: ${body.length}\r\n\r\n`), body]);
}

function chunked(body: Buffer): Buffer {
  const half = body.length >> 1;
  const parts = [body.subarray(0, half), body.subarray(half)].filter(({ length }) => length > 0);
  const chunks = parts.flatMap((part) => [
    Buffer.from(`${part.length.toString(16)};a=b\r\n`),
    part,
    Buffer.from("\r\n"),
  ]);
  const head = Buffer.from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  return Buffer.concat([head, ...chunks, Buffer.from(lastChunk)]);
}
