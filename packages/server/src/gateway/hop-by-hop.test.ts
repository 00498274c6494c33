import { describe, expect, it } from "vitest";
import { parseRequestHead, parseResponseHead } from "../relay/parse-head.ts";
import { rewriteRequestHead, rewriteResponseHead } from "../relay/rewrite.ts";
import { hopByHopOf } from "./hop-by-hop.ts";

const limits = { headBytesMax: 10_000, headerCountMax: 100 };

function sent(fields: string): string {
  const head = parseRequestHead(Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`), limits);
  return rewriteRequestHead(head, hopByHopOf(head)).toString().slice("POST / HTTP/1.1\r\nHost: a\r\n".length, -2);
}

function sentBack(fields: string): string {
  const head = parseResponseHead(Buffer.from(`HTTP/1.1 200 OK\r\n${fields}\r\n`), limits);
  return rewriteResponseHead(head, hopByHopOf(head)).toString().slice("HTTP/1.1 200 OK\r\n".length, -2);
}

describe("what goes on of a request's fields", () => {
  it.each([
    [
      "is all that holds for both connections, byte for byte",
      "Connection:  Keep-Alive\r\n",
      "Connection:  Keep-Alive\r\n",
    ],
    ["is close", "connection: close\r\n", "connection: close\r\n"],
    ["is nothing that Connection names", "X-Hop: a\r\nConnection: keep-alive, x-hop\r\n", "connection: keep-alive\r\n"],
    ["is nothing at all of a Connection with names alone", "Connection: X-Hop\r\nX-HOP: a\r\nX: b\r\n", "X: b\r\n"],
    [
      "is neither Keep-Alive nor Proxy-Connection",
      "Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nX: b\r\n",
      "X: b\r\n",
    ],
    [
      "is what frames and routes, whoever names it",
      "Content-Length: 3\r\nConnection: content-length, Host, transfer-encoding, close\r\n",
      "Content-Length: 3\r\nconnection: close\r\n",
    ],
    ["is that trailers are taken", "TE: trailers\r\nConnection: TE\r\n", "te: trailers\r\n", "Connection: TE\r\n"],
    [
      "is no coding that this server does not read",
      "TE: gzip;q=0.5, trailers\r\nConnection: TE, close\r\n",
      "te: trailers\r\n",
    ],
    ["is no TE without trailers", "TE: gzip\r\nConnection: te\r\n", ""],
    [
      "is what an upgrade needs, in any case and order",
      "Connection: X-Needed, UPGRADE\r\nUpgrade: foo/2, WebSocket\r\nX-Needed: AAMA\r\n",
      "Connection: X-Needed, UPGRADE\r\nUpgrade: foo/2, WebSocket\r\nX-Needed: AAMA\r\n",
    ],
    [
      "is no name, beside an upgrade, of what tells who asks",
      "Connection: Upgrade, X-Spawner-User, x_spawner_auth, X-Forwarded-For, Forwarded, X-Other\r\nUpgrade: a\r\n",
      "Upgrade: a\r\nconnection: Upgrade, X-Other\r\n",
    ],
  ])("%s: %j", (_what, fields, ...expected) => {
    const lines = sent(fields);
    for (const part of expected) expect(lines).toContain(part);
    if (expected.length === 1 && !lines.includes("te: ")) expect(lines).toBe(expected[0]);
    expect(lines).not.toMatch(/gzip|x-hop|keep-alive:|proxy-/i);
  });
});

describe("no program is asked to read further requests from the bytes behind an upgrade", () => {
  const http = [
    "h2c",
    "H2C",
    "\th2c ",
    "h2",
    "h2c-14",
    "h3",
    "HTTP/2.0",
    "http/1.1",
    "HTTP",
    "TLS/1.0",
    "tls/1.2",
    "SPDY/3.1",
  ];
  const malformed = ['"h2c"', "h2c;q=1", "websocket h2c", "h2c/", "/h2c", "h2c\xa0", "", "a/b/c"];

  it.each([...http, ...malformed])("by %j: the request goes on without", (protocol) => {
    const plain = "Accept: */*\r\n";
    const settings = "HTTP2-Settings: AAMA\r\n";
    expect(sent(`Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${protocol}\r\n${settings}${plain}`)).toBe(plain);
    expect(sent(`${settings}UPGRADE: ${protocol}\r\n${plain}`)).toBe(plain); // nor where Connection does not name it
    expect(sent(`Upgrade: ${protocol}\r\nConnection: keep-alive\r\nConnection: http2-settings,UPGRADE\r\n`)).toBe(
      "connection: keep-alive\r\n",
    );
  });

  it.each([
    ["one line", "Upgrade: h2c, websocket,HTTP/2.0\r\n"],
    ["one line, first", "Upgrade: websocket,\tH2C\r\n"],
    ["several lines", "Upgrade: h2c\r\nupgrade: websocket\r\nUPGRADE: TLS/1.2\r\n"],
  ])("beside another protocol, in %s: that one alone goes on", (_what, upgrade) => {
    expect(sent(`Connection: HTTP2-Settings, Upgrade\r\n${upgrade}HTTP2-Settings: AAMA\r\n`)).toBe(
      "upgrade: websocket\r\nconnection: Upgrade\r\n",
    );
  });

  it("beside fields that Connection names: those hold for the client's connection, and end here", () => {
    expect(sent("Connection: Upgrade, X-Hop\r\nUpgrade: h2c\r\nX-Hop: a\r\nX: b\r\n")).toBe("X: b\r\n");
  });
});

describe("what goes back of a response's fields", () => {
  it.each([
    [
      "is no promise about the program's own connection",
      "Keep-Alive: timeout=5\r\nConnection: keep-alive\r\n",
      "Connection: keep-alive\r\n",
    ],
    ["is nothing that Connection names", "Connection: X-Hop, close\r\nX-Hop: a\r\n", "connection: close\r\n"],
    ["is the length, whoever names it", "Connection: content-length\r\nContent-Length: 0\r\n", "Content-Length: 0\r\n"],
    ["is the upgrade", "Connection: Upgrade\r\nUpgrade: x\r\n", "Connection: Upgrade\r\nUpgrade: x\r\n"],
  ])("%s: %j", (_what, fields, expected) => {
    expect(sentBack(fields)).toBe(expected);
  });
});
