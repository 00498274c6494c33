import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "../../../../test/support/random.ts";
import { Fixture, ok, type Peer } from "./fixture.ts";
import { compare } from "./fuzz/compare.ts";
import { judgedByTheBackend, stricterBecause } from "./fuzz/documented.ts";
import { generate } from "./fuzz/generate.ts";
import { LlhttpReader } from "./fuzz/llhttp.ts";
import { readAsRelay } from "./fuzz/reading.ts";
import { describe as described, fuzz } from "./fuzz/run.ts";

/** Those before a request line are not passed on. */
function withoutEmptyLines(bytes: Buffer): Buffer {
  return bytes.subarray(0, 2).toString() === "\r\n" ? withoutEmptyLines(bytes.subarray(2)) : bytes;
}

const chunked = "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n";

describe("the relay and llhttp agree about", () => {
  it.each<[what: string, kind: "request" | "response", text: string]>([
    ["a chunk extension that is no token", "request", `POST / HTTP/1.1\r\n${chunked}1;a b\r\na\r\n0\r\n\r\n`],
    ["an unended quote in an extension", "request", `POST / HTTP/1.1\r\n${chunked}1;a="b\r\na\r\n0\r\n\r\n`],
    ["a tab behind chunked", "request", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n"],
    ["a tab behind chunked in a response", "response", "HTTP/1.1 200\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n"],
    ["Content-Length in a trailer", "request", `POST / HTTP/1.1\r\n${chunked}0\r\nContent-Length: x\r\n\r\n`],
    [
      "Connection in a trailer",
      "request",
      `POST / HTTP/1.1\r\n${chunked}0\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n`,
    ],
    ["a bad length in an interim response", "response", "HTTP/1.1 103 \r\nContent-Length: 0o0\r\n\r\n"],
  ])("%s", (_what, kind, text) => {
    const verdict = compare({ kind, bytes: Buffer.from(text), cuts: [], requests: Buffer.alloc(0) });
    expect(verdict).toMatchObject({ alike: 0, refused: true });
  });

  it("50,000 streams of messages", { timeout: 120_000 }, async () => {
    const tally = await fuzz({ seed: 1, cases: 50_000 });
    console.log("50,000 cases from seed 1:", tally);
    expect([...tally.stricter.keys()].filter((kind) => !(kind in stricterBecause))).toEqual([]);
    expect([...tally.requestLines.keys()].filter((code) => !judgedByTheBackend.includes(code))).toEqual([]);
    expect(tally.alike).toBeGreaterThan(15_000);
  });
});

describe("an upstream behind a relay", () => {
  const fixture = new Fixture();
  const readers = new Map<Peer, LlhttpReader>();
  beforeAll(async () => {
    const upstream = await fixture.raw((peer) => {
      const reader = new LlhttpReader("request");
      readers.set(peer, reader);
      let answered = 0;
      peer.socket.on("data", (bytes) => {
        reader.read(bytes);
        for (; answered < reader.messages; answered += 1) peer.send(ok(""));
      });
    });
    await fixture.open(upstream);
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  it("sees by llhttp the messages that the relay has taken, and no others", { timeout: 60_000 }, async () => {
    let messages = 0;
    for (let seed = 1; seed <= 600; seed += 1) {
      const stream = generate(seededRandom(seed));
      if (stream.kind !== "request") continue;
      const { alike, goesOn, requestLines } = compare(stream);
      if (goesOn || requestLines.length > 0) continue;
      for (const reader of readers.values()) reader[Symbol.dispose]();
      readers.clear();
      const client = await fixture.client();
      client.send(stream.bytes).end();
      await client.takeAll();
      await client.untilClosed();
      const read = readAsRelay(stream).messages;
      const seen = [...readers.values()].reduce((sum, reader) => sum + reader.messages, 0);
      expect(seen, `seed ${seed}: ${described(stream)}`).toBe(alike);
      messages += seen;
      // Byte for byte what was taken; behind it, at most the beginning of what turned out to be wrong, or incomplete.
      const got = Buffer.concat([...readers.keys()].map((peer) => peer.bytes));
      const taken = Buffer.concat(read.map(({ from, end }) => withoutEmptyLines(stream.bytes.subarray(from, end))));
      const whole = Buffer.concat(
        read.slice(0, alike).map(({ from, end }) => withoutEmptyLines(stream.bytes.subarray(from, end))),
      );
      expect(got.subarray(0, whole.length).equals(whole), `seed ${seed}: ${described(stream)}`).toBe(true);
      expect(taken.subarray(0, got.length).equals(got), `seed ${seed}: ${described(stream)}`).toBe(true);
    }
    expect(messages).toBeGreaterThan(100);
  });
});
