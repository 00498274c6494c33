import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BodyFraming } from "./body-framing.ts";
import { requestFraming, responseFraming } from "./framing.ts";
import { parseRequestHead, parseResponseHead } from "./parse-head.ts";
import { RelayProblem } from "./problem.ts";

const limits = { headBytesMax: 1_024, headerCountMax: 128 };

function ofRequest(fields: string, version = "1.1"): BodyFraming {
  const raw = Buffer.from(`POST / HTTP/${version}\r\nHost: a\r\n${fields}\r\n`, "latin1");
  return requestFraming(parseRequestHead(raw, limits), limits);
}

function ofResponse(line: string, fields: string, method = "GET"): BodyFraming {
  const raw = Buffer.from(`HTTP/1.1 ${line}\r\n${fields}\r\n`, "latin1");
  return responseFraming(parseResponseHead(raw, limits), { method }, limits);
}

const ofChunked = () => ofRequest("Transfer-Encoding: chunked\r\n");

/** Reads pieces as the relay does; returns how many bytes belong to the body. */
function readAll(framing: BodyFraming, pieces: readonly Buffer[]): number {
  let taken = 0;
  for (const piece of pieces) {
    const end = framing.read(piece, 0);
    taken += end;
    if (end < piece.length) break;
  }
  return taken;
}

describe("a request is refused for", () => {
  it.each<[what: string, fields: string, version?: string]>([
    ["both Content-Length and Transfer-Encoding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"],
    ["both, the other way round", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"],
    ["differing Content-Lengths", "Content-Length: 5\r\nContent-Length: 6\r\n"],
    ["identical Content-Lengths", "Content-Length: 5\r\nContent-Length: 5\r\n"],
    ["a list of Content-Lengths", "Content-Length: 5, 5\r\n"],
    ["an empty Content-Length", "Content-Length:\r\n"],
    ["a Content-Length of letters", "Content-Length: five\r\n"],
    ["a Content-Length with letters behind", "Content-Length: 5x\r\n"],
    ["a hexadecimal Content-Length", "Content-Length: 0x5\r\n"],
    ["a negative Content-Length", "Content-Length: -5\r\n"],
    ["a Content-Length with a plus", "Content-Length: +5\r\n"],
    ["a fractional Content-Length", "Content-Length: 5.0\r\n"],
    ["a Content-Length with an exponent", "Content-Length: 1e1\r\n"],
    ["a Content-Length with a space inside", "Content-Length: 5 5\r\n"],
    ["a Content-Length beyond 2^53", "Content-Length: 9007199254740993\r\n"],
    ["a Content-Length beyond 2^64", "Content-Length: 18446744073709551621\r\n"],
    ["a Transfer-Encoding of gzip", "Transfer-Encoding: gzip\r\n"],
    ["gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n"],
    ["chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"],
    ["chunked twice in one field", "Transfer-Encoding: chunked, chunked\r\n"],
    ["chunked and identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"],
    ["identity", "Transfer-Encoding: identity\r\n"],
    ["an empty Transfer-Encoding", "Transfer-Encoding:\r\n"],
    ["chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n"],
    ["quoted chunked", 'Transfer-Encoding: "chunked"\r\n'],
    ["chunked with a control-like prefix", "Transfer-Encoding: xchunked\r\n"],
    ["Transfer-Encoding in HTTP/1.0", "Transfer-Encoding: chunked\r\n", "1.0"],
  ])("%s", (_what, fields, version) => {
    expect(() => ofRequest(fields, version)).toThrow(RelayProblem);
  });
});

describe("a chunked body is refused for", () => {
  it.each<[what: string, body: string]>([
    ["an empty size", "\r\n"],
    ["a size that is no number", "x\r\n"],
    ["a size with 0x", "0x5\r\nhello\r\n"],
    ["a size with a sign", "+5\r\nhello\r\n"],
    ["white space before the size", " 5\r\nhello\r\n"],
    ["white space behind the size", "5 \r\nhello\r\n"],
    ["white space before an extension", "5 ;a\r\nhello\r\n"],
    ["a size of too many digits", "00000000000005\r\n"],
    ["a size beyond 2^53", "fffffffffffffff\r\n"],
    ["a bare LF behind the size", "5\nhello\r\n"],
    ["a bare CR behind the size", "5\rhello\r\n"],
    ["a bare LF behind the data", "5\r\nhello\n0\r\n\r\n"],
    ["more data than the size", "5\r\nhello!\r\n"],
    ["a bare LF in an extension", "5;a\nhello\r\n"],
    ["NUL in an extension", "5;a\0\r\n"],
    ["a long extension", `5;${"a".repeat(257)}\r\n`],
    ["an extension without a size", ";a\r\n"],
    ["a trailer without a colon", "0\r\nX\r\n\r\n"],
    ["a trailer with a space before the colon", "0\r\nX : a\r\n\r\n"],
    ["a folded trailer", "0\r\nX: a\r\n b\r\n\r\n"],
    ["a bare LF in a trailer", "0\r\nX: a\nY: b\r\n\r\n"],
    ["a bare CR in a trailer", "0\r\nX: a\rb\r\n\r\n"],
    ["NUL in a trailer", "0\r\nX: \0\r\n\r\n"],
    ["a long trailer", `0\r\nX: ${"a".repeat(1_024)}\r\n\r\n`],
    ["many trailers", `0\r\n${"X: a\r\n".repeat(300)}\r\n`],
    ["a bare LF at the end", "0\r\n\n"],
    ["a byte behind the last CR", "0\r\n\rx"],
  ])("%s", (_what, body) => {
    const bytes = Buffer.from(body, "latin1");
    expect(() => readAll(ofChunked(), [bytes])).toThrow(RelayProblem);
    expect(() =>
      readAll(
        ofChunked(),
        [...bytes].map((byte) => Buffer.of(byte)),
      ),
    ).toThrow(RelayProblem);
  });
});

it("a chunked body is refused for a trailer that its reader's owner wants in the head alone", () => {
  const head = parseRequestHead(
    Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`),
    limits,
  );
  const framing = () => requestFraming(head, { ...limits, isHeadOnly: (lowerName) => lowerName === "x-user" });
  expect(readAll(framing(), [Buffer.from("0\r\nX-Users: a\r\n\r\n")])).toBe(17);
  expect(() => readAll(framing(), [Buffer.from("0\r\nX-USER: a\r\n\r\n")])).toThrow(RelayProblem);
});

describe("a body ends where it says", () => {
  const length = (value: string) => () => ofRequest(`Content-Length: ${value}\r\n`);
  it.each<[what: string, framing: () => BodyFraming, body: string]>([
    ["no body", () => ofRequest(""), ""],
    ["Content-Length: 0", length("0"), ""],
    ["a length", length("5"), "hello"],
    ["a length with zeros in front", length("0005"), "hello"],
    ["no chunks", ofChunked, "0\r\n\r\n"],
    ["one chunk", ofChunked, "5\r\nhello\r\n0\r\n\r\n"],
    [
      "hexadecimal sizes in any case",
      ofChunked,
      `1a\r\n${"a".repeat(26)}\r\n1A\r\n${"\r\n".repeat(13)}\r\n000\r\n\r\n`,
    ],
    ["data that looks like the end", ofChunked, "5\r\n0\r\n\r\n\r\n0\r\n\r\n"],
    ["extensions", ofChunked, '5;a;b=c;d="e;f"\r\nhello\r\n0;last\r\n\r\n'],
    ["an extension of the most bytes", ofChunked, `5;${"a".repeat(256)}\r\nhello\r\n0;${"b".repeat(256)}\r\n\r\n`],
    ["trailers", ofChunked, "5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Empty:\r\n\r\n"],
    ["CHUNKED in capitals", () => ofRequest("Transfer-Encoding: CHUNKED\r\n"), "1\r\na\r\n0\r\n\r\n"],
  ])("%s, cut anywhere", (_what, framing, body) => {
    const bytes = Buffer.from(`${body}GET / HTTP/1.1\r\n`, "latin1");
    const cuts = Array.from(bytes, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)]);
    for (const pieces of [[bytes], ...cuts, [...bytes].map((byte) => Buffer.of(byte))]) {
      const fresh = framing();
      expect(readAll(fresh, fresh.isDone ? [] : pieces)).toBe(body.length);
      expect(fresh.isDone).toBe(true);
    }
    // and one byte less is not the end
    if (body.length > 0) {
      const fresh = framing();
      fresh.read(Buffer.from(body, "latin1").subarray(0, -1), 0);
      expect(fresh.isDone).toBe(false);
    }
  });

  it.each<[what: string, line: string, fields: string, method?: string]>([
    ["HEAD", "200 OK", "Content-Length: 5\r\n", "HEAD"],
    ["HEAD, chunked", "200 OK", "Transfer-Encoding: chunked\r\n", "HEAD"],
    ["204", "204 No Content", ""],
    ["304", "304 Not Modified", "Content-Length: 5\r\n"],
  ])("a response to %s has none", (_what, line, fields, method) => {
    expect(ofResponse(line, fields, method)).toMatchObject({ isDone: true, isUntilClose: false });
  });

  it("a response without a length goes on until the connection ends", () => {
    const framing = ofResponse("200 OK", "");
    expect(framing.read(Buffer.from("abc"), 1)).toBe(3);
    expect(framing).toMatchObject({ isDone: false, isUntilClose: true });
  });

  it.each(["Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"])(
    "an ambiguous response is refused: %j",
    (fields) => {
      expect(() => ofResponse("200 OK", fields)).toThrow(RelayProblem);
      expect(() => ofResponse("200 OK", fields, "HEAD")).toThrow(RelayProblem);
    },
  );

  it.each(["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"])(
    "an interim response that announces a body is refused: %j",
    (fields) => {
      expect(() => ofResponse("103 Early Hints", fields)).toThrow("an interim response announces a body");
    },
  );

  it("any chunks, extensions and trailers, in any pieces, end at the same byte", () => {
    const chunk = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.stringMatching(/^(;[a-z]{1,8})?$/));
    const trailer = fc.stringMatching(/^[a-z-]{1,8}: ?[!-~]{0,8}$/);
    const message = fc.tuple(
      fc.array(chunk),
      fc.array(trailer, { maxLength: 3 }),
      fc.array(fc.nat(), { maxLength: 8 }),
    );
    fc.assert(
      fc.property(message, ([chunks, trailers, cuts]) => {
        const parts = chunks.flatMap(([data, extension]) => [
          Buffer.from(`${data.length.toString(16)}${extension}\r\n`),
          Buffer.from(data),
          Buffer.from("\r\n"),
        ]);
        const body = Buffer.concat([
          ...parts,
          Buffer.from(`0\r\n${trailers.map((line) => `${line}\r\n`).join("")}\r\n`),
        ]);
        const bytes = Buffer.concat([body, Buffer.from("0\r\n\r\n")]);
        const at = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        const framing = ofChunked();
        expect(readAll(framing, pieces)).toBe(body.length);
        expect(framing.isDone).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
