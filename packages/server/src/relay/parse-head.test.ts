import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultLimits } from "./limits.ts";
import { hasWholeHead, parseField, parseRequestHead, parseResponseHead } from "./parse-head.ts";
import { RelayProblem, statusOfProblem } from "./problem.ts";

const limits = { headBytesMax: 1_024, headerCountMax: 8 };
const bytesOf = (text: string) => Buffer.from(text, "latin1");
const requestOf = (text: string) => parseRequestHead(bytesOf(text), limits);
const isThere = (text: string) => hasWholeHead(bytesOf(text), limits);
const responseOf = (text: string) => parseResponseHead(bytesOf(text), limits);

/** The status that a refusal is answered with, or 200 where there is none. */
function statusOf(act: () => unknown): number {
  try {
    act();
    return 200;
  } catch (error) {
    if (!(error instanceof RelayProblem)) throw error;
    return statusOfProblem[error.kind];
  }
}

describe("the head of a request is refused with", () => {
  const get = "GET / HTTP/1.1\r\nHost: a\r\n";
  it.each<[status: number, what: string, head: string]>([
    [400, "a line folded with a space", `${get}X: a\r\n b\r\n\r\n`],
    [400, "a line folded with a tab", `${get}X: a\r\n\tb\r\n\r\n`],
    [400, "a folded first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"],
    [400, "a bare CR in a value", `${get}X: a\rb\r\n\r\n`],
    [400, "a bare CR at the end of a value", `${get}X: a\r\r\n\r\n`],
    [400, "a bare CR in the request line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"],
    [400, "a bare LF in a value", `${get}X: a\nY: b\r\n\r\n`],
    [400, "a bare LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"],
    [400, "a space before the colon", `${get}X : a\r\n\r\n`],
    [400, "a tab before the colon", `${get}X\t: a\r\n\r\n`],
    [400, "a space in a name", `${get}X Y: a\r\n\r\n`],
    [400, "an empty name", `${get}: a\r\n\r\n`],
    [400, "no colon", `${get}X\r\n\r\n`],
    [400, "a slash in a name", `${get}X/Y: a\r\n\r\n`],
    [400, "a parenthesis in a name", `${get}X(Y): a\r\n\r\n`],
    [400, "a control in a name", `${get}X\x01: a\r\n\r\n`],
    [400, "NUL in a name", `${get}X\0: a\r\n\r\n`],
    [400, "a byte above 0x7f in a name", `${get}X\xe4: a\r\n\r\n`],
    [400, "NUL in a value", `${get}X: a\0b\r\n\r\n`],
    [400, "a control in a value", `${get}X: a\x08b\r\n\r\n`],
    [400, "DEL in a value", `${get}X: a\x7fb\r\n\r\n`],
    [400, "an empty request line", "\r\nHost: a\r\n\r\n"],
    [400, "a request line without a version (HTTP/0.9)", "GET /\r\nHost: a\r\n\r\n"],
    [400, "a request line without a target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"],
    [400, "two spaces in the request line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"],
    [400, "a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"],
    [400, "a space at the end of the request line", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"],
    [400, "a space at the start of the request line", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
    [400, "a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"],
    [400, "NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"],
    [400, "a method that is no token", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"],
    [400, "a version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n"],
    [400, "a version of three parts", "GET / HTTP/1.1.1\r\nHost: a\r\n\r\n"],
    [400, "a version of two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"],
    [400, "another protocol", "GET / HTCP/1.1\r\nHost: a\r\n\r\n"],
    [400, "no Host in HTTP/1.1", "GET / HTTP/1.1\r\nX: a\r\n\r\n"],
    [400, "two Hosts", `${get}Host: b\r\n\r\n`],
    [400, "two equal Hosts", `${get}host: a\r\n\r\n`],
    [505, "HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"],
    [505, "HTTP/0.9 by name", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"],
    [505, "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\n"],
    [505, "HTTP/1.2, which no next hop need know", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"],
    [501, "CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"],
    [431, "too many fields", `${get}${"X: a\r\n".repeat(8)}\r\n`],
  ])("%i for %s", (status, _what, head) => {
    expect(statusOf(() => requestOf(head))).toBe(status);
  });
});

describe("the head of a response is refused with", () => {
  it.each<[what: string, head: string]>([
    ["no status", "HTTP/1.1\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
    ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"],
    ["a status below 100", "HTTP/1.1 099 OK\r\n\r\n"],
    ["two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n"],
    ["HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n"],
    ["HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n"],
    ["another protocol", "ICY 200 OK\r\n\r\n"],
    ["a control in the reason", "HTTP/1.1 200 O\x01K\r\n\r\n"],
    ["a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"],
    ["a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n"],
    ["NUL in a value", "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n"],
  ])("%s", (_what, head) => {
    expect(statusOf(() => responseOf(head))).toBe(400);
  });
});

describe("the end of a head", () => {
  it.each<[expected: boolean, what: string, bytes: string]>([
    [true, "an empty head", "\r\n\r\n"],
    [true, "a head alone", "GET / HTTP/1.1\r\n\r\n"],
    [true, "a head with a body behind it", "GET / HTTP/1.1\r\n\r\nbody\r\n"],
    [false, "nothing", ""],
    [false, "half a line", "GET / HT"],
    [false, "a CR that may begin the end", "GET / HTTP/1.1\r\n\r"],
    [false, "less than an end", "\r\n\r"],
    [true, "a head of the most bytes", `GET / HTTP/1.1\r\nX: ${"a".repeat(1_024 - 23)}\r\n\r\n and more`],
    [false, "the most bytes, without the end", `GET / HTTP/1.1\r\nX: ${"a".repeat(1_024 - 19)}`],
  ])("is there: %s, for %s", (expected, _what, bytes) => {
    expect(isThere(bytes)).toBe(expected);
  });

  it("is the first empty line, also where the bytes end with another", () => {
    const head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    expect(isThere(`${head}GET /b HTTP/1.1\r\nHost: b\r\n\r\n`)).toBe(true);
    const { length, raw, fields } = requestOf(`${head}GET /b HTTP/1.1\r\nHost: b\r\n\r\n`);
    expect([length, raw.toString(), fields.length]).toEqual([head.length, head, 1]);
  });

  it.each([
    ["alone", ""],
    ["with a body behind it", "body"],
  ])("of a head of one byte too many, %s, is refused with 431", (_where, behind) => {
    const head = `GET / HTTP/1.1\r\nHost: ${"a".repeat(1_025 - 26)}\r\n\r\n`;
    expect(head).toHaveLength(1_025);
    const read = (text: string) => isThere(text) && requestOf(text);
    expect(statusOf(() => read(head + behind))).toBe(431);
    expect(statusOf(() => read(head.replace("aa", "a") + behind))).toBe(200);
  });

  it.each<[status: number, what: string, bytes: string]>([
    [431, "an incomplete head of one byte too many", "a".repeat(1_025)],
    [400, "a bare LF before the head is complete", "GET / HTTP/1.1\nHost: a"],
    [400, "a bare LF as the first byte", "\n"],
    [400, "a head that ends its lines with LF", "GET / HTTP/1.1\nHost: a\n\n"],
  ])("is refused with %i for %s", (status, _what, bytes) => {
    expect(statusOf(() => isThere(bytes))).toBe(status);
  });
});

describe("what a head says", () => {
  it("is its parts, with values trimmed and bytes kept", () => {
    const head = requestOf("POST /a?b=%20\xe4 HTTP/1.1\r\nHost:a\r\nX-Y: \t v \xff w\t \r\nx-y:\r\n\r\n");
    expect(head).toMatchObject({ method: "POST", target: "/a?b=%20\xe4", minorVersion: 1 });
    expect(head.headers("X-Y")).toEqual(["v \xff w", ""]);
    expect(head.header("x-y")).toBe("v \xff w, ");
    expect(head.header("none")).toBeUndefined();
  });

  it("joins cookies by semicolons", () => {
    expect(requestOf("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\ncookie: b=2\r\n\r\n").header("cookie")).toBe(
      "a=1; b=2",
    );
  });

  it("is read from HTTP/1.0 without Host", () => {
    expect(requestOf("GET / HTTP/1.0\r\n\r\n")).toMatchObject({ minorVersion: 0, fields: [] });
  });

  it.each<[keepsAlive: boolean, version: string, connection: string]>([
    [true, "1.1", ""],
    [true, "1.1", "Connection: keep-alive, Upgrade\r\n"],
    [false, "1.1", "Connection: close\r\n"],
    [false, "1.1", "Connection: x\r\nconnection: Foo , CLOSE\r\n"],
    [true, "1.1", "Connection: closed\r\n"],
    [false, "1.0", ""],
    [true, "1.0", "Connection: Keep-Alive\r\n"],
    [false, "1.0", "Connection: keep-alive, close\r\n"],
  ])("keeps alive: %s for HTTP/%s and %j", (keepsAlive, version, connection) => {
    expect(requestOf(`GET / HTTP/${version}\r\nHost: a\r\n${connection}\r\n`).keepsAlive).toBe(keepsAlive);
    expect(responseOf(`HTTP/${version} 200 OK\r\n${connection}\r\n`).keepsAlive).toBe(keepsAlive);
  });

  it("holds no token that has more around it than SP and HTAB: other readers see another one", () => {
    for (const around of ["\xa0", "\x85", "\xad"]) {
      const raw = `GET / HTTP/1.1\r\nHost: a\r\nConnection: ${around}close, \t close${around}\r\n\r\n`;
      expect(parseRequestHead(Buffer.from(raw, "latin1"), limits).keepsAlive).toBe(true);
    }
  });

  it.each<[upgrade: string | undefined, version: string, fields: string]>([
    ["websocket", "1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n"],
    ["websocket", "1.1", "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"],
    [undefined, "1.1", "Upgrade: websocket\r\n"],
    [undefined, "1.1", "Connection: upgrade\r\n"],
    [undefined, "1.1", "Connection: upgrade\r\nUpgrade: \r\n"],
    [undefined, "1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n"],
  ])("asks for the upgrade %s in HTTP/%s with %j", (upgrade, version, fields) => {
    expect(requestOf(`GET / HTTP/${version}\r\nHost: a\r\n${fields}\r\n`).upgrade).toBe(upgrade);
  });

  it.each<[hasBody: boolean, fields: string]>([
    [false, ""],
    [false, "Content-Length: 0\r\n"],
    [true, "Content-Length: 1\r\n"],
    [true, "Transfer-Encoding: chunked\r\n"],
  ])("has a body: %s with %j", (hasBody, fields) => {
    expect(requestOf(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`).hasBody).toBe(hasBody);
  });

  it.each(["HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 \r\n\r\n", "HTTP/1.0 200 Sehr sch\xf6n\r\nServer: x\r\n\r\n"])(
    "is the status of %j",
    (head) => {
      expect(responseOf(head)).toMatchObject({ status: 200, isInterim: false });
    },
  );
});

describe("properties", () => {
  const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/);
  const value = fc.stringMatching(/^([!-~\x80-\xff]([\t !-~\x80-\xff]{0,12}[!-~\x80-\xff])?)?$/);
  const field = fc.tuple(
    token.filter((name) => name.toLowerCase() !== "host"),
    value,
  );

  it("a valid head reads as it was written, wherever the bytes are cut", () => {
    const anyHead = fc.record({
      method: token.filter((method) => method !== "CONNECT"),
      target: fc.stringMatching(/^[!-~\x80-\xff]{1,20}$/),
      fields: fc.array(field, { maxLength: 6 }),
      rest: fc.string(),
    });
    fc.assert(
      fc.property(anyHead, ({ method, target, fields, rest }) => {
        const all: [string, string][] = [["Host", "a"], ...fields];
        const text = `${method} ${target} HTTP/1.1\r\n${all.map(([n, v]) => `${n}: ${v}\r\n`).join("")}\r\n`;
        const bytes = bytesOf(text + rest);
        for (let cut = 0; cut < text.length; cut += 1) {
          expect(hasWholeHead(bytes.subarray(0, cut), defaultLimits)).toBe(false);
        }
        expect(hasWholeHead(bytes, defaultLimits)).toBe(true);
        const head = parseRequestHead(bytes, defaultLimits);
        expect(head.length).toBe(text.length);
        expect([head.method, head.target]).toEqual([method, target]);
        expect(head.fields.map((each) => [each.name, each.value])).toEqual(all);
      }),
      { numRuns: 200 },
    );
  });

  it("any field line is read or refused, and what was read is a token and has no controls", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii", maxLength: 20 }), (line) => {
        if (statusOf(() => parseField(line)) !== 200) return;
        const { name, value } = parseField(line);
        expect(name).toMatch(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        expect(value).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f]/);
      }),
    );
  });
});
