import fc from "fast-check";

/** Bytes that may be no request of the API, or no HTTP. Each is complete: none leaves the server waiting for more. */
export interface WildRequest {
  readonly kind: "wild";
  readonly method: string;
  /** `{id}` stands for one of the backends that were started before, `{prefix}` for what is in front of the API's paths. */
  readonly target: string;
  readonly which: number;
  /** Lines of the head behind the first, as they are. */
  readonly lines: readonly string[];
  readonly body: Buffer;
}

const methods = fc.oneof(
  { arbitrary: fc.constantFrom("GET", "POST", "DELETE"), weight: 6 },
  fc.constantFrom(
    "HEAD",
    "PUT",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "QUERY",
    "PROPFIND",
    "M-SEARCH",
    "CONNECT",
    "get",
    "FOO",
    "PRI",
  ),
  fc.stringMatching(/^[A-Z]{1,20}$/, { size: "xsmall" }),
);

const paths = fc.constantFrom(
  "/spawn",
  "/connect",
  "/backends",
  "/backend/{id}",
  "/backend/{id}/status",
  "/backend/{id}/ready",
  "/backend/{id}/revoke",
  "/healthz",
  "/",
);
const pieces = fc.oneof(
  paths,
  fc.constantFrom(
    "//",
    "/",
    "/.",
    "/..",
    "%2F",
    "%2f",
    "%2e%2e",
    "%00",
    "%0d%0a",
    "%ff",
    "%",
    "%zz",
    "%C3%A9",
    "é",
    "\u00ff",
    ";a=b",
    "#x",
    "\\",
    " ",
    "\t",
    "~",
  ),
  fc.constantFrom(
    "?",
    "?limit=1&limit=2",
    "?limit=%31",
    "?__proto__=1",
    "?a[b]=c",
    "?label=a=b&label[]=c",
    "?%",
    "?follow=true&tail=1",
  ),
  fc.stringMatching(/^[!-~]{0,20}$/, { size: "xsmall" }),
  fc.constantFrom(10, 300, 5_000, 20_000, 40_000).map((length) => `/${"x".repeat(length)}`),
);
const targets = fc.oneof(
  {
    arbitrary: fc
      .tuple(paths, fc.array(pieces, { maxLength: 2 }))
      .map(([path, more]) => `{prefix}${path}${more.join("")}`),
    weight: 6,
  },
  { arbitrary: fc.array(pieces, { maxLength: 4 }).map((all) => `{prefix}/${all.join("")}`), weight: 2 },
  paths.map((path) => `http://elsewhere{prefix}${path}`),
  fc.constantFrom("*", "a:80", "", "?", "https://", "{prefix}/backend/..;/backends"),
);

const version = fc.oneof(
  { arbitrary: fc.constant("HTTP/1.1"), weight: 12 },
  fc.constantFrom("HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "http/1.1", "HTTP/11", ""),
);
const hosts = fc.oneof(
  { arbitrary: fc.constant(["host: 127.0.0.1"]), weight: 12 },
  fc
    .constantFrom<string[][]>(
      [],
      ["host: a", "host: b"],
      ["host:"],
      ["host: 127.0.0.1:99999"],
      ["HOST: \u009b31m"],
      ["host : a"],
    )
    .map((lines) => lines),
);
const fields = fc.constantFrom(
  "expect: 100-continue",
  "expect: the-unexpected",
  "connection: keep-alive",
  "connection: upgrade\r\nupgrade: websocket",
  "connection: upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA",
  "content-type: application/json",
  "content-type: application/json\r\ncontent-type: text/plain",
  "content-encoding: gzip",
  "accept: text/html",
  "authorization: Bearer \u0000",
  "authorization: Bearer  ,",
  "last-event-id: \u00ff\u00fe",
  "last-event-id: a\r\nlast-event-id: b",
  "x-forwarded-host: evil.example\r\nx-forwarded-prefix: /evil",
  "x-http-method-override: DELETE",
  "te: trailers\r\ntrailer: x",
  " folded",
  "no colon",
  ": no name",
  "bad name: x",
  "x: a\rb",
  `x: ${"y".repeat(20_000)}`,
  Array.from({ length: 300 }, (_, index) => `x-${index}: y`).join("\r\n"),
);

const bytes = fc.oneof(
  fc
    .constantFrom("{}", '{"image":"default","image":"other"}', '{"port":1e400}', "{", "", "\u0000", "garbage\r\n\r\n")
    .map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
);

/** A body and the lines that frame it, rightly or not. */
const framed = fc.oneof(
  { arbitrary: fc.constant({ lines: [] as string[], body: Buffer.alloc(0) }), weight: 8 },
  { arbitrary: bytes.map((body) => ({ lines: [`content-length: ${body.length}`], body })), weight: 5 },
  bytes.map((body) => ({ lines: ["transfer-encoding: chunked"], body: chunked(body) })),
  fc.tuple(bytes, fc.constantFrom("gzip, chunked", "chunked, chunked", "identity, chunked")).map(([body, coding]) => ({
    lines: [`transfer-encoding: ${coding}`],
    body: chunked(body),
  })),
  fc
    .constantFrom(
      "-1",
      "+2",
      "0x2",
      "2, 2",
      "2 2",
      "",
      "99999999999999999999",
      "2\r\ncontent-length: 3",
      "2\r\ntransfer-encoding: chunked",
    )
    .map((length) => ({
      lines: [`content-length: ${length}`],
      body: Buffer.from("{}"),
    })),
  fc.constantFrom("x", "-1", "fffffffffffffffff", "2;", "2 \n").map((size) => ({
    lines: ["transfer-encoding: chunked"],
    body: Buffer.from(`${size}\r\n{}\r\n0\r\n\r\n`),
  })),
  // More than was announced: a second message, or none.
  bytes.map((body) => ({
    lines: ["content-length: 2"],
    body: Buffer.concat([Buffer.from("{}"), body, Buffer.from("\r\n\r\n")]),
  })),
);

function chunked(body: Buffer): Buffer {
  const chunk = body.length === 0 ? [] : [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n")];
  return Buffer.concat([...chunk, Buffer.from("0\r\n\r\n")]);
}

export const wildRequests: fc.Arbitrary<WildRequest> = fc
  .record({
    method: methods,
    target: targets,
    which: fc.nat(),
    version,
    hosts,
    framed,
    extra: fc.array(fields, { maxLength: 1 }),
  })
  .map(({ method, target, which, version, hosts, framed, extra }) => ({
    kind: "wild",
    method,
    target: `${target} ${version}`,
    which,
    lines: [...hosts, ...framed.lines, ...extra],
    body: framed.body,
  }));
