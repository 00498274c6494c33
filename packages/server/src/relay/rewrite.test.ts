import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultLimits } from "./limits.ts";
import { parseRequestHead, parseResponseHead } from "./parse-head.ts";
import { type FieldChanges, rewriteRequestHead, rewriteResponseHead } from "./rewrite.ts";

const bytesOf = (text: string) => Buffer.from(text, "latin1");
const requestOf = (text: string) => parseRequestHead(bytesOf(text), defaultLimits);
const head = "GET /id/a?b HTTP/1.1\r\nhOST:  a \r\nX: \xe4\r\nCookie: c=1\r\nx: 2\r\n\r\n";

describe("a request's head, rewritten", () => {
  it.each<[what: string, changes: FieldChanges & { target?: string }, expected: string]>([
    ["with nothing changed keeps every byte", {}, head],
    ["gets another target", { target: "/a?b" }, head.replace("/id/a?b", "/a?b")],
    [
      "loses fields, in any case and each of them",
      { remove: ["x", "cookie", "none"] },
      "GET /id/a?b HTTP/1.1\r\nhOST:  a \r\n\r\n",
    ],
    [
      "gets fields in place of those of the same name",
      {
        set: [
          ["x", "3"],
          ["x-new", "n"],
        ],
      },
      "GET /id/a?b HTTP/1.1\r\nhOST:  a \r\nCookie: c=1\r\nx: 3\r\nx-new: n\r\n\r\n",
    ],
    [
      "may hold the same new field twice",
      {
        set: [
          ["y", "1"],
          ["y", "2"],
        ],
      },
      head.replace("\r\n\r\n", "\r\ny: 1\r\ny: 2\r\n\r\n"),
    ],
    [
      "gets changed values, and keeps what the change leaves alone",
      { map: { cookie: (value) => `${value}; d=2`, host: (value) => value, none: () => "e" } },
      head.replace("c=1", "c=1; d=2"),
    ],
    [
      "loses what the change says, one of several of a name too, and what is removed is not asked for",
      { map: { x: (value) => (value === "2" ? null : value), cookie: () => "d=2" }, remove: ["cookie"] },
      "GET /id/a?b HTTP/1.1\r\nhOST:  a \r\nX: \xe4\r\n\r\n",
    ],
  ])("%s", (_what, changes, expected) => {
    expect(rewriteRequestHead(requestOf(head), changes).toString("latin1")).toBe(expected);
  });

  it("keeps its version", () => {
    const old = requestOf("GET / HTTP/1.0\r\n\r\n");
    expect(rewriteRequestHead(old, { target: "/b", set: [["a", "b"]] }).toString()).toBe(
      "GET /b HTTP/1.0\r\na: b\r\n\r\n",
    );
  });

  it.each(["/a b", "/a\r\nX: y", "/a\n", "", "/\u010a", "/a\0"])("refuses the target %j", (target) => {
    expect(() => rewriteRequestHead(requestOf(head), { target })).toThrow("target");
  });
});

describe("a response's head, rewritten", () => {
  it("keeps its first line and what does not change", () => {
    const raw = bytesOf("HTTP/1.1 302 Da dr\xfcben\r\nLocation: /a\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n");
    const changed = rewriteResponseHead(parseResponseHead(raw, defaultLimits), {
      map: { location: (value) => `/id${value}` },
      set: [["x", "y"]],
    });
    expect(changed.toString("latin1")).toBe(
      "HTTP/1.1 302 Da dr\xfcben\r\nLocation: /id/a\r\nSet-Cookie: a\r\nset-cookie: b\r\nx: y\r\n\r\n",
    );
  });
});

describe("a value never ends its line", () => {
  it.each(["a\r\nEvil: 1", "a\nEvil: 1", "a\0", "a\u010d\u010aEvil: 1", "a\u{1f600}"])("%j", (value) => {
    const changed = rewriteRequestHead(requestOf(head), { set: [["x", value]], map: { host: () => value } });
    const { fields } = parseRequestHead(changed, defaultLimits);
    expect(fields.map(({ lowerName }) => lowerName)).toEqual(["host", "cookie", "x"]);
  });

  it("whatever it holds", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        const changed = rewriteRequestHead(requestOf(head), { set: [["x", value]] });
        expect(parseRequestHead(changed, defaultLimits).fields).toHaveLength(3);
      }),
    );
  });
});
