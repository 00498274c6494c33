import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeEventParser, type ServerSentEvent } from "./event-stream.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function parse(...chunks: (string | Uint8Array)[]): ServerSentEvent[] {
  const parser = makeEventParser();
  return chunks.flatMap((chunk) => parser.push(typeof chunk === "string" ? encode(chunk) : chunk));
}

const message = (data: string, lastEventId = "", type = "message") => ({ type, data, lastEventId });

test.each<[string, string, ServerSentEvent[]]>([
  ["a field and an empty line make an event", "data: a\n\n", [message("a")]],
  ["one space behind the colon is left out, no more", "data:a\n\ndata:  b\n\n", [message("a"), message(" b")]],
  ["several data fields are lines of one event", "data: a\ndata:\ndata: b\n\n", [message("a\n\nb")]],
  ["a field without a colon is empty", "data\n\n", [message("")]],
  ["without data there is no event", "event: x\nid: 1\n\n", []],
  ["the type is for one event only", "event: x\ndata: a\n\ndata: b\n\n", [message("a", "", "x"), message("b")]],
  ["the type of an event without data is forgotten", "event: x\n\ndata: a\n\n", [message("a")]],
  ["an id holds for the events behind it", "id: 1\ndata: a\n\ndata: b\n\n", [message("a", "1"), message("b", "1")]],
  ["an empty id takes it back", "id: 1\n\nid\ndata: a\n\n", [message("a")]],
  ["an id with NUL is no id", "id: 1\n\nid: 2\0\ndata: a\n\n", [message("a", "1")]],
  ["comments say nothing", ":\n: hello\n\ndata: a\n:b\n\n", [message("a")]],
  ["unknown fields say nothing", "datum: x\n data: y\nData: z\ndata: a\n\n", [message("a")]],
  ["CR ends a line", "data: a\rdata: b\r\r", [message("a\nb")]],
  ["CRLF ends a line, and only one", "data: a\r\ndata: b\r\n\r\n", [message("a\nb")]],
  ["LF CR ends two lines", "data: a\n\rdata: b\n\r", [message("a"), message("b")]],
  ["a byte order mark at the start is none of the text", "\uFEFFdata: a\n\n", [message("a")]],
  ["one elsewhere is", "data: a\n\n\uFEFFdata: b\n\n", [message("a")]],
  ["colons belong to the value", "data: a: b\n\n", [message("a: b")]],
  ["what has not ended is no event", "data: a\n\ndata: b\n", [message("a")]],
])("%s", (_, text, expected) => {
  expect(parse(text)).toEqual(expected);
});

test("an event is given as soon as its last CR is there, and the LF of that CR makes no further one", () => {
  const parser = makeEventParser();
  expect(parser.push(encode("data: a\r\r"))).toEqual([message("a")]);
  expect(parser.push(encode("\ndata: b\r"))).toEqual([]);
  expect(parser.push(encode("\n"))).toEqual([]);
  expect(parser.push(encode("\r"))).toEqual([message("b")]);
});

test("only digits are a time to wait", () => {
  const parser = makeEventParser();
  parser.push(encode("retry: 1s\nretry: -1\nretry:\n"));
  expect(parser.retryMs).toBeUndefined();
  parser.push(encode("retry: 0700\n"));
  expect(parser.retryMs).toBe(700);
});

test("a line without an end is not kept for ever", () => {
  const parser = makeEventParser();
  const chunk = encode("x".repeat(64 * 1024));
  const pushes = () => Array.from({ length: 20 }, () => parser.push(chunk));
  expect(pushes).toThrow(expect.objectContaining({ code: "bad_answer" }));
});

describe("however it is cut", () => {
  const pieces = [
    "data",
    "id",
    "event",
    "retry",
    ":",
    ": ",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "1",
    "é",
    "😀",
    "\0",
    "\uFEFF",
  ];
  const streams = fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((parts) => encode(parts.join("")));

  test("the events are the same", () => {
    fc.assert(
      fc.property(streams, fc.array(fc.nat(), { maxLength: 20 }), (bytes, cuts) => {
        const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
        const chunks = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
        expect(parse(...chunks)).toEqual(parse(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  test("a byte at a time does as well", () => {
    fc.assert(
      fc.property(streams, (bytes) => {
        const single = Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
        expect(parse(...single)).toEqual(parse(bytes));
      }),
    );
  });
});
