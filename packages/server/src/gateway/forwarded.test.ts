import { BlockList } from "node:net";
import { describe, expect, it } from "vitest";
import { FieldLines } from "../relay/index.ts";
import { parseRequestHead } from "../relay/parse-head.ts";
import { type ClientView, ForwardedLines, forwardedFields, isToldByProxies, viewOf } from "./forwarded.ts";

const trustedProxies = new BlockList();
trustedProxies.addSubnet("10.0.0.0", 8, "ipv4");
trustedProxies.addAddress("fd00::1", "ipv6");

/** What a program gets to see, by what a request with these fields came with from this address. */
function told(fields: string, clientAddress: string, proto: "http" | "https" = "http"): Record<string, string> {
  const raw = Buffer.from(`GET /b4x/ HTTP/1.1\r\nHost: play.example\r\n${fields}\r\n`, "latin1");
  const head = parseRequestHead(raw, { headBytesMax: 100_000, headerCountMax: 100 });
  return Object.fromEntries(forwardedFields(viewOf(head, { clientAddress, proto, trustedProxies }), "/b4x"));
}

const direct = {
  "x-forwarded-for": "192.0.2.7",
  "x-forwarded-proto": "http",
  "x-forwarded-host": "play.example",
  "x-forwarded-prefix": "/b4x",
  forwarded: "for=192.0.2.7;host=play.example;proto=http",
};

describe("a program is told of its client", () => {
  it.each([
    ["nothing", ""],
    ["another address", "X-Forwarded-For: 198.51.100.1\r\nForwarded: for=198.51.100.1\r\n"],
    [
      "another host, protocol and prefix",
      "X-Forwarded-Host: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /x\r\n",
    ],
  ])("what the connection says, where an untrusted one says %s", (_what, fields) => {
    expect(told(fields, "192.0.2.7")).toEqual(direct);
  });

  it("the protocol of the public URL, unless a trusted proxy knows better", () => {
    expect(told("X-Forwarded-Proto: http\r\n", "192.0.2.7", "https")["x-forwarded-proto"]).toBe("https");
    expect(told("X-Forwarded-Proto: http\r\n", "10.0.0.1", "https")["x-forwarded-proto"]).toBe("http");
    expect(told("X-Forwarded-Proto: HTTPS, http\r\n", "10.0.0.1")["x-forwarded-proto"]).toBe("https");
    expect(told("X-Forwarded-Proto: gopher\r\n", "10.0.0.1")["x-forwarded-proto"]).toBe("http");
  });

  it("what a trusted proxy says, with the proxy's own address behind it", () => {
    const fields =
      "X-Forwarded-For: 192.0.2.7, 198.51.100.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example:8443\r\nX-Forwarded-Prefix: /base/\r\n";
    expect(told(fields, "::ffff:10.1.2.3")).toEqual({
      "x-forwarded-for": "192.0.2.7, 198.51.100.1, 10.1.2.3",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "a.example:8443",
      "x-forwarded-prefix": "/base/b4x",
      forwarded: 'for=192.0.2.7;host="a.example:8443";proto=https, for=198.51.100.1, for=10.1.2.3',
    });
  });

  it("by a trusted proxy that speaks RFC 7239 alone", () => {
    const fields = 'Forwarded: for="[2001:db8::1]:4711";Proto=https;host="a\\.example", by=_x ; FOR=198.51.100.1\r\n';
    expect(told(fields, "fd00::1")).toEqual({
      "x-forwarded-for": "2001:db8::1, 198.51.100.1, fd00::1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "a.example",
      "x-forwarded-prefix": "/b4x",
      forwarded: 'for="[2001:db8::1]";host=a.example;proto=https, for=198.51.100.1, for="[fd00::1]"',
    });
  });

  it("nothing of Forwarded by a trusted proxy that sets X-Forwarded fields: it passes on what a client wrote", () => {
    const seen = told("X-Forwarded-For: 192.0.2.7\r\nForwarded: for=1.2.3.4;proto=https;host=evil\r\n", "10.0.0.1");
    expect(seen).toMatchObject({
      "x-forwarded-for": "192.0.2.7, 10.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "play.example",
    });
    expect(seen.forwarded).toBe("for=192.0.2.7;host=play.example;proto=http, for=10.0.0.1");
  });

  it.each(["for", 'for="', "for=a b", ",,,", '=;for="[', "for=1.2.3.4;=", `for=${'"\\'.repeat(5_000)}`])(
    "in time, and without what is malformed: %j",
    (value) => {
      const seen = told(`Forwarded: ${value}\r\n`, "10.0.0.1");
      expect(seen["x-forwarded-for"]).toMatch(/^(1\.2\.3\.4, )?10\.0\.0\.1$/);
      expect(seen["x-forwarded-host"]).toBe("play.example");
    },
  );

  it.each(["no/slash", "/a b", "//", "/", "/a,/b", "", "/a; Domain=example.com", "/a;b", "/a?b", "/..", '/"a'])(
    "without a prefix that can be none: %j",
    (prefix) => {
      const [first = ""] = prefix.split(",");
      const expected = first === "/a" ? "/a/b4x" : "/b4x";
      expect(told(`X-Forwarded-Prefix: ${prefix}\r\n`, "10.0.0.1")["x-forwarded-prefix"]).toBe(expected);
    },
  );

  it("an unknown address in quotes where it needs them, and none where it has gone", () => {
    expect(told("X-Forwarded-For: 1.2.3.4:5\r\n", "10.0.0.1").forwarded).toContain('for="1.2.3.4:5";');
    expect(told("", "").forwarded).toContain("for=unknown;");
  });
});

it("keeps what it says for the next request, and says another thing of another client", () => {
  const kept = new ForwardedLines();
  const view: ClientView = { addresses: ["192.0.2.7"], proto: "http", host: "a", askedHost: "a", prefix: "" };
  const first = kept.of(view, "/b4x");
  expect(first.text).toMatch(/^x-forwarded-for: 192\.0\.2\.7\r\n/);
  expect(kept.of({ ...view, addresses: [...view.addresses] }, "/b4x")).toBe(first);
  const others: ClientView[] = [
    { ...view, addresses: ["192.0.2.8"] },
    { ...view, addresses: ["192.0.2.7", "10.0.0.1"] },
    { ...view, proto: "https" },
    { ...view, host: "b" },
    { ...view, prefix: "/base" },
  ];
  for (const other of others) {
    kept.of(view, "/b4x");
    expect(kept.of(other, "/b4x").text).toBe(new FieldLines(forwardedFields(other, "/b4x")).text);
  }
  expect(kept.of(view, "/c4x").text).toContain("x-forwarded-prefix: /c4x\r\n");
});

it.each([
  [true, "forwarded"],
  [true, "x-forwarded-for"],
  [true, "x_forwarded_for"],
  [true, "x-forwarded_proto"],
  [true, "x-forwarded-port"],
  [false, "x-forwarded-user"],
  [false, "x-real-ip"],
])("that only proxies tell is %s of %s", (expected, name) => {
  expect(isToldByProxies(name)).toBe(expected);
});
