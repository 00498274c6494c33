import { expect, it } from "vitest";
import { Fixture, get, ok, settle } from "./fixture.ts";

const post = (fields: string, body = "") => `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`;
const te = "Transfer-Encoding: chunked\r\n";

it.each<[family: string, attack: string]>([
  ["CL.TE", post(`Content-Length: 6\r\n${te}`, "0\r\n\r\n")],
  ["TE.CL", post(`${te}Content-Length: 4\r\n`, "5c\r\n")],
  ["TE.TE", post(`${te}Transfer-Encoding: x\r\n`, "0\r\n\r\n")],
  ["TE.TE, a spelling", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")],
  ["TE.TE, a tab", post("Transfer-Encoding: chunked\t\r\n", "0\r\n\r\n")],
  ["CL.CL", post("Content-Length: 0\r\nContent-Length: 40\r\n")],
  ["0.CL", post("Content-Length: 0, 40\r\n")],
  ["0.CL, folded", post("Content-Length:\r\n 40\r\n")],
  ["obs-fold", post("X: a\r\n Content-Length: 40\r\n")],
  ["a bare CR", post("X: a\rContent-Length: 40\r\n")],
  ["a bare LF", post("X: a\nContent-Length: 40\r\n")],
  ["a bare LF behind a chunk size", post(te, "0\n\r\n")],
  ["a bare CR behind a chunk size", post(te, "0\r\r\n\r\n")],
  ["a chunk extension with a bare LF", post(te, "0;a\nb\r\n\r\n")],
  ["a chunk extension with a space", post(te, "0;a b\r\n\r\n")],
  ["a space before the colon", post("Content-Length : 40\r\n")],
  ["a space before the colon of an encoding", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n")],
  ["a length that overflows", post("Content-Length: 18446744073709551616\r\n")],
  ["a very long length", post(`Content-Length: ${"9".repeat(1_000)}\r\n`)],
  ["a chunk size that overflows", post(te, "10000000000000000\r\n")],
  ["a length in a trailer", post(te, "0\r\nContent-Length: 40\r\n\r\n")],
])("%s is refused, the connection closed, and nothing behind it gets through", async (_family, attack) => {
  await using fixture = new Fixture();
  const upstream = await fixture.answering(ok(""));
  await fixture.open(upstream);
  const client = await fixture.client();
  client.send(attack + get("/smuggled"));
  expect(await client.takeAll()).toMatch(/^HTTP\/1\.1 400 /);
  client.send(get("/later"));
  await settle();
  expect(upstream.peers.map(({ text }) => text).join("")).toBe("");
});
