import { describe, expect, it } from "vitest";
import { Fixture, get, ok, type Peer, post, until } from "./fixture.ts";
import type { RelayLimits } from "./limits.ts";

const upgrade = "Connection: upgrade\r\nUpgrade: x\r\n";
const switching = `HTTP/1.1 101 Switching Protocols\r\n${upgrade}\r\n`;
const upload = (length: number, fields = "") =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n${fields}\r\n`;
const chunkedUpload = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/** One client of one raw upstream. `connected` waits for the upstream to have this of its request. */
async function start(fixture: Fixture, limits: Partial<RelayLimits>, answer?: string) {
  const upstream = await fixture.raw((peer) => {
    if (answer !== undefined) peer.socket.once("data", () => peer.send(answer));
  });
  await fixture.open(upstream, { limits });
  const client = await fixture.client();
  const connected = async (text: string): Promise<Peer> => {
    await until(() => upstream.peers[0]?.text.includes(text) === true, JSON.stringify(text));
    return upstream.peers[0] as Peer;
  };
  return { client, connected, upstream };
}

describe("a body that stalls for bodyTimeoutMs", () => {
  it.each([
    ["of a length", upload(9), "abc"],
    ["in chunks", chunkedUpload, "3\r\nabc\r\n"],
  ])("is answered 408, and its upstream let go: %s", async (_what, head, part) => {
    await using fixture = new Fixture();
    const { client, connected } = await start(fixture, { bodyTimeoutMs: 5_000 });
    client.send(head);
    await connected("\r\n\r\n");
    await fixture.pass(4_000);
    client.send(part); // a byte is enough
    const peer = await connected(part);
    await fixture.pass(4_000);
    expect(client.text).toBe("");
    await fixture.pass(1_500);
    expect(await client.takeAll()).toMatch(/^HTTP\/1\.1 408 [\s\S]*no byte of the request's body came for 5 s/);
    await peer.takeAll();
    expect(fixture.live).toBe(0);
  });

  it("behind an early answer has its connection closed, since it counts as active", async () => {
    await using fixture = new Fixture();
    const { client, connected } = await start(fixture, { bodyTimeoutMs: 5_000 }, ok("early"));
    client.send(upload(9));
    await client.takeUntil("early");
    await connected("\r\n\r\n");
    expect(fixture.live).toBe(1);
    await fixture.pass(6_000);
    await client.takeAll();
    expect(fixture.live).toBe(0);
  });

  it("while its answer flows may stall for as long as it likes", async () => {
    await using fixture = new Fixture();
    const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const { client, connected } = await start(fixture, { bodyTimeoutMs: 5_000 }, head);
    client.send(upload(3));
    await client.takeUntil(head);
    await fixture.pass(60_000);
    client.send("abc");
    (await connected("abc")).send("0\r\n\r\n");
    await client.takeUntil("0\r\n\r\n");
    expect(fixture.live).toBe(0);
  });

  it("for want of a 100 that the client waits for does not; behind the 100 it does", async () => {
    await using fixture = new Fixture();
    const { client, connected } = await start(fixture, { bodyTimeoutMs: 5_000 });
    client.send(upload(3, "Expect: 100-continue\r\n"));
    const peer = await connected("\r\n\r\n");
    await fixture.pass(60_000);
    expect(client.text).toBe("");
    peer.send("HTTP/1.1 100 Continue\r\n\r\n");
    await client.takeUntil("100 Continue\r\n\r\n");
    await fixture.pass(6_000);
    expect(await client.takeAll()).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("for want of a 100 does once it is answered otherwise: nobody need send it then", async () => {
    await using fixture = new Fixture();
    const refusal = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
    const { client } = await start(fixture, { bodyTimeoutMs: 5_000 }, refusal);
    client.send(upload(3, "Expect: 100-continue\r\n"));
    await client.takeUntil(refusal);
    expect(fixture.live).toBe(1);
    await fixture.pass(6_000);
    await client.takeAll();
    expect(fixture.live).toBe(0);
  });

  it("for an upstream that does not read is not the client's fault", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw((peer) => peer.socket.pause());
    await fixture.open(upstream, { limits: { bodyTimeoutMs: 5_000 } });
    const client = await fixture.client();
    const body = Buffer.alloc(32 * 1024 * 1024, "x");
    client.send(upload(body.length)).send(body);
    await until(() => client.socket.bytesWritten > 1024 * 1024, "the upload to fill what there is of buffers");
    await fixture.pass(60_000);
    expect(client.text).toBe("");
    const peer = upstream.peers[0];
    peer?.socket.resume();
    await until(() => (peer?.receivedBytes ?? 0) > body.length, "the whole upload");
    peer?.send(ok("got it"));
    await client.takeUntil("got it");
  });
});

describe("a body longer than bodyBytesMax", () => {
  it("is refused with 413 before anything is passed on, where it says so", async () => {
    await using fixture = new Fixture();
    const { client, upstream } = await start(fixture, { bodyBytesMax: 3 }, ok("a"));
    client.send(post("four"));
    expect(await client.takeAll()).toMatch(/^HTTP\/1\.1 413 Content Too Large\r\n[\s\S]*3 bytes at most; it has 4/);
    expect(upstream.peers).toHaveLength(0);
  });

  it("is cut off with 413 where it turns out to be, and its upstream is left", async () => {
    await using fixture = new Fixture();
    const { client, connected } = await start(fixture, { bodyBytesMax: 30 });
    client.send(`${chunkedUpload}3\r\nabc\r\n`);
    const peer = await connected("abc");
    client.send(`20\r\n${"d".repeat(32)}\r\n`);
    expect(await client.takeAll()).toMatch(/^HTTP\/1\.1 413 /);
    expect(await peer.takeAll()).not.toContain("ddd");
  });

  it("is not one that has just as many", async () => {
    await using fixture = new Fixture();
    const { client } = await start(fixture, { bodyBytesMax: 4 }, ok("taken"));
    client.send(post("four"));
    await client.takeUntil("taken");
  });
});

describe("an upstream that takes its time", () => {
  it.each(["", "HTTP/1.1 103 Early Hints\r\n\r\n"])(
    "over an upgrade is given up with 504 after upgradeTimeoutMs, whatever it said meanwhile: %j",
    async (interim) => {
      await using fixture = new Fixture();
      const { client, connected, upstream } = await start(fixture, { upgradeTimeoutMs: 5_000 });
      client.send(get("/", upgrade));
      const peer = await connected("\r\n\r\n");
      await fixture.pass(4_000);
      peer.send(interim);
      await until(() => client.text === interim, "what it said");
      await fixture.pass(2_000);
      expect(await client.takeAll()).toContain("HTTP/1.1 504 Gateway Timeout\r\n");
      await peer.takeAll();
      expect(upstream.peers).toHaveLength(1); // it is not sent again
      expect(fixture.live).toBe(0);
    },
  );

  it.each([switching, ok("no")])("is not held to it once it has answered: %j", async (answer) => {
    await using fixture = new Fixture();
    const { client, connected } = await start(fixture, { upgradeTimeoutMs: 5_000, idleTimeoutMs: 200_000 }, answer);
    client.send(get("/", upgrade));
    await client.takeUntil(answer);
    await fixture.pass(120_000);
    expect(client.ended || client.closed).toBe(false);
    await connected("\r\n\r\n");
  });

  it("over any other answer may take it", async () => {
    await using fixture = new Fixture();
    const { client, connected } = await start(fixture, {});
    client.send(get());
    const peer = await connected("\r\n\r\n");
    await fixture.pass(24 * 3_600_000);
    peer.send(ok("at last"));
    await client.takeUntil("at last");
  });

  it("over any other answer is given up with 504 after responseTimeoutMs, where that is set", async () => {
    await using fixture = new Fixture();
    const { client, connected } = await start(fixture, { responseTimeoutMs: 5_000 });
    client.send(upload(1));
    await connected("\r\n\r\n");
    await fixture.pass(10_000); // not sent yet: nothing to be answered
    client.send("a");
    await connected("\r\n\r\na");
    await fixture.pass(4_000);
    expect(client.text).toBe("");
    await fixture.pass(1_500);
    expect(await client.takeAll()).toMatch(/^HTTP\/1\.1 504 [\s\S]*did not answer within 5 s/);
  });
});

describe("connections above connectionsMax", () => {
  it("are answered 503 until one of those that are served is gone, however long they linger", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.answering(ok("a")), { limits: { connectionsMax: 1 } });
    const first = await fixture.client();
    first.send(get());
    await first.takeUntil("\r\n\r\na");
    const refused = await fixture.client();
    expect(await refused.takeAll()).toMatch(/^HTTP\/1.1 503 [\s\S]*1 connections are open already/);
    first.send(get());
    await first.takeUntil("\r\n\r\na");
    first.end();
    await until(() => first.ended, "it to be gone");
    expect(fixture.relay.openConnections).toBe(1);
    await (await fixture.client()).send(get()).takeUntil("\r\n\r\na");
  });

  it("are reset where refusalsMax are being answered: a flood holds no more sockets than that", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.answering(ok("a")), { limits: { connectionsMax: 1, refusalsMax: 20 } });
    const served = await fixture.client();
    const flood = await Promise.all(Array.from({ length: 500 }, () => fixture.client()));
    await until(() => flood.every(({ ended, closed }) => ended || closed), "each of them to be told");
    expect(flood.filter(({ text }) => text.startsWith("HTTP/1.1 503 "))).toHaveLength(20);
    expect(flood.filter(({ errorCode }) => errorCode === "ECONNRESET")).toHaveLength(480);
    expect(fixture.relay.openConnections).toBe(21);
    await served.send(get()).takeUntil("\r\n\r\na");
    await fixture.pass(2_500); // none of them has anything more to say
    expect(fixture.relay.openConnections).toBe(1);
    expect(await (await fixture.client()).takeAll()).toMatch(/^HTTP\/1.1 503 /);
  });
});

describe("connections to one upstream above connectionsPerUpstreamMax", () => {
  it("are refused with 503 until one of them is gone; others are not concerned", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(switching);
    const onRequest = ({ head }: { head: { target: string } }) => ({
      kind: "forward" as const,
      upstream: { ...upstream, key: head.target },
    });
    await fixture.open(onRequest, { limits: { connectionsPerUpstreamMax: 2 } });
    const open = async (target: string) => (await fixture.client()).send(get(target, upgrade));
    const held = [await open("/a"), await open("/a")];
    for (const client of held) await client.takeUntil(switching);
    const refused = await open("/a");
    expect(await refused.takeAll()).toMatch(/^HTTP\/1\.1 503 [\s\S]*2 connections to this upstream are open already/);
    await (await open("/b")).takeUntil(switching);
    held[0]?.reset();
    await until(() => fixture.live === 2, "it to be gone");
    await (await open("/a")).takeUntil(switching);
  });

  it("are any number to an upstream that is said to be without limit", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(ok("a"));
    await fixture.open(() => ({ kind: "forward", upstream, isUnlimited: true }), {
      limits: { connectionsPerUpstreamMax: 1 },
    });
    for (const _ of [1, 2, 3]) await (await fixture.client()).send(get()).takeUntil(ok("a"));
    expect(upstream.peers.filter(({ closed }) => !closed)).toHaveLength(3);
  });

  it("are not what one client's own connection needs to be replaced, nor what could not be opened", async () => {
    await using fixture = new Fixture();
    const dead = await fixture.deadPort();
    const upstream = await fixture.answering(ok("a"));
    await fixture.open(
      ({ head, attempt }) => ({ kind: "forward", upstream: attempt < 2 && head.target === "/dead" ? dead : upstream }),
      { limits: { connectionsPerUpstreamMax: 1 } },
    );
    const client = await fixture.client();
    for (const target of ["/", "/dead", "/dead", "/"]) {
      client.send(get(target));
      await client.takeUntil(ok("a"));
    }
    expect(upstream.peers.filter(({ closed, ended }) => !closed && !ended)).toHaveLength(1);
  });
});
