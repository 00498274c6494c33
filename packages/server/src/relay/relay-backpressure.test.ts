import { createHash, randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { collectGarbage } from "../../../../test/support/garbage.ts";
import { Fixture, get, ok, type Peer, settle, until } from "./fixture.ts";

const big = randomBytes(8_000_000);
const headOf = (bytes: Buffer) => `Content-Length: ${bytes.length}\r\n\r\n`;

/** More than the buffers of all the sockets between two ends: of each, Linux lets the receiver's grow to 32 MB, the sender's to 4. */
const offeredBytesMax = 256_000_000;
const endless = `Content-Length: ${offeredBytesMax}\r\n\r\n`;

/** What all the sockets of this process hold, the relay's among them, and what was not freed yet. */
function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

/** Sends, piece by piece, until nobody takes any more. Returns how many bytes were taken. */
async function sendUntilHeldBack(socket: Socket): Promise<number> {
  const piece = Buffer.alloc(65_536);
  let taken = 0;
  for (let before = -1; before !== taken; await settle()) {
    before = taken;
    for (; socket.writableLength === 0 && taken < offeredBytesMax; taken += piece.length) socket.write(piece);
  }
  return taken;
}

/** Sends to one who does not read as much as is taken; whoever holds it back, it is not the relay's memory. */
async function expectToBeHeldBack(from: Peer, to: Peer | undefined): Promise<void> {
  to?.socket.pause();
  await settle();
  const before = heldBytes();
  expect(await sendUntilHeldBack(from.socket)).toBeLessThan(offeredBytesMax);
  // Garbage is freed beside this thread, in its own time; what is held stays.
  await until(() => heldBytes() - before < 700_000, "the relay to hold little");
}

/** Takes some at a time, as a slow program does. */
function readSlowly(peer: Peer): void {
  peer.socket.on("data", () => {
    peer.socket.pause();
    setImmediate(() => peer.socket.resume());
  });
  peer.socket.resume();
}

const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

describe("a big body", () => {
  it("comes down byte for byte to a slow reader", async () => {
    await using fixture = new Fixture();
    const head = `HTTP/1.1 200 OK\r\n${headOf(big)}`;
    const upstream = await fixture.raw((peer) => {
      peer.socket.once("data", () => peer.send(head).send(big));
    });
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    readSlowly(client);
    await until(() => client.receivedBytes === head.length + big.length, "all of it");
    expect(digest(client.bytes.subarray(head.length))).toBe(digest(big));
    await until(() => fixture.live === 0, "the exchange to be over");
  });

  it("goes up byte for byte to a slow reader", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw((peer) => readSlowly(peer));
    await fixture.open(upstream);
    const client = await fixture.client();
    const head = `POST / HTTP/1.1\r\nHost: a\r\n${headOf(big)}`;
    client.send(head).send(big);
    await until(() => upstream.peers[0]?.receivedBytes === head.length + big.length, "all of it");
    const [peer] = upstream.peers as [Peer];
    expect(digest(peer.bytes.subarray(head.length))).toBe(digest(big));
    expect(fixture.live).toBe(1);
    peer.send(ok("a"));
    await client.takeUntil("\r\n\r\na");
    client.send(get("/next"));
    await peer.takeUntil("/next");
  });

  it("waits at the upstream while the client does not read", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(`HTTP/1.1 200 OK\r\n${endless}`);
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("\r\n\r\n");
    const [peer] = upstream.peers as [Peer];
    await expectToBeHeldBack(peer, client);
    expect(fixture.live).toBe(1);
    client.reset();
    await until(() => fixture.live === 0 && fixture.relay.openConnections === 0, "it to be noticed");
    await peer.untilClosed();
  });

  it("waits at the client while the upstream does not read", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw();
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(`POST / HTTP/1.1\r\nHost: a\r\n${endless}`);
    await until(() => upstream.peers[0]?.text.endsWith("\r\n\r\n") === true, "the request");
    const [peer] = upstream.peers as [Peer];
    await expectToBeHeldBack(client, peer);
    expect(fixture.live).toBe(1);
    // A client that is held back is not read from: its reset is noticed at the next look.
    client.reset();
    await settle();
    fixture.clock.advance(500);
    await until(() => fixture.live === 0 && fixture.relay.openConnections === 0, "it to be noticed");
  });

  it("goes up in chunks and down again at the same time", async () => {
    await using fixture = new Fixture();
    await fixture.open(
      await fixture.http((incoming, response) => {
        incoming.pipe(response);
      }),
    );
    const client = await fixture.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (let at = 0; at < big.length; at += 100_000) {
      const part = big.subarray(at, at + 100_000);
      client
        .send(`${part.length.toString(16)};at=${at}\r\n`)
        .send(part)
        .send("\r\n");
    }
    client.send("0\r\n\r\n");
    await until(() => client.ended, "all of it");
    const body = client.bytes.subarray(client.bytes.indexOf("\r\n\r\n") + 4);
    expect(digest(unchunked(body))).toBe(digest(big));
  });

  it("that comes while the request is parked goes on afterwards", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw();
    const { promise, resolve: go } = Promise.withResolvers<void>();
    await fixture.open(async () => {
      await promise;
      return { kind: "forward", upstream };
    });
    const client = await fixture.client();
    const head = `POST / HTTP/1.1\r\nHost: a\r\n${headOf(big)}`;
    client.send(head).send(big);
    await until(() => fixture.exchanges.length === 1, "the request");
    await settle();
    go();
    await until(() => upstream.peers[0]?.receivedBytes === head.length + big.length, "all of it");
    expect(digest((upstream.peers[0]?.bytes ?? Buffer.alloc(0)).subarray(head.length))).toBe(digest(big));
  });

  it("waits at the client while its request is parked", async () => {
    await using fixture = new Fixture();
    await fixture.open(() => new Promise(() => {}));
    const client = await fixture.client();
    client.send(`POST / HTTP/1.1\r\nHost: a\r\n${endless}`);
    await until(() => fixture.live === 1, "the request");
    await expectToBeHeldBack(client, undefined);
  });

  it("through a tunnel waits at whoever sends", async () => {
    await using fixture = new Fixture();
    const switching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    const upstream = await fixture.answering(switching);
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get("/", "Connection: upgrade\r\nUpgrade: x\r\n"));
    await client.takeUntil(switching);
    const [peer] = upstream.peers as [Peer];
    for (const [from, to] of [
      [client, peer],
      [peer, client],
    ] as const) {
      to.forget();
      from.send(big);
      readSlowly(to);
      await until(() => to.receivedBytes === big.length, "all of it");
      expect(digest(to.bytes)).toBe(digest(big));
    }
    await expectToBeHeldBack(peer, client);
    await expectToBeHeldBack(client, peer);
  });
});

it.each<[how: string, drop: (peer: Peer | undefined) => unknown, answer: string]>([
  ["for it sends more than it announced", () => {}, `${ok("first")}more`],
  ["for it ends while nothing is asked of it", (peer) => peer?.end(), ok("first")],
])(
  "a client that was held back is read from again where an upstream that did not read is dropped, %s",
  async (_how, drop, answer) => {
    await using fixture = new Fixture();
    // It answers without having read all: its connection is dropped with bytes in it.
    const upstream = await fixture.raw((peer) => {
      peer.socket.once("data", () => {
        if (peer.text.startsWith("POST")) peer.socket.pause();
        else peer.send(ok("second"));
      });
    });
    await fixture.open(upstream);
    let reused = 0;
    // Bodies about as large as what the kernel takes: one of them ends with just the piece that makes the relay wait.
    const [size, step] = [await kernelTakes(fixture), 65_536];
    for (let length = size - 8 * step; length < size + 8 * step; length += step) {
      const client = await fixture.client();
      const had = upstream.peers.length;
      client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
      await until(
        () => upstream.peers.length > had && upstream.peers.at(-1)?.socket.isPaused() === true,
        "the request",
      );
      client.send(Buffer.alloc(length));
      await settle();
      const peer = upstream.peers.at(-1);
      peer?.send(answer);
      await client.takeUntil("first");
      drop(peer);
      await settle();
      if (client.ended) continue; // not all of it was passed on
      client.send(get("/next"));
      await client.takeUntil("second");
      client.reset();
      reused += 1;
    }
    expect(reused).toBeGreaterThan(0);
  },
);

it("a tunnel that both sides have ended passes on what it still holds for an upstream that does not read yet", async () => {
  await using fixture = new Fixture();
  const switching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
  const upstream = await fixture.answering(switching);
  await fixture.open(upstream);
  // About as much as the kernel takes: of one of them, the relay holds just so little that it goes on reading.
  const [size, step] = [await kernelTakes(fixture), 32_768];
  for (let length = size - 4 * step; length < size + 6 * step; length += step) {
    const client = await fixture.client();
    client.send(get("/", "Connection: upgrade\r\nUpgrade: x\r\n"));
    await client.takeUntil(switching);
    const peer = upstream.peers.at(-1);
    await peer?.takeUntil("\r\n\r\n");
    peer?.socket.pause();
    peer?.end();
    await client.takeAll();
    client.send(Buffer.alloc(length)).end();
    await settle();
    peer?.socket.resume();
    await until(() => peer?.ended === true, "the end");
    expect(peer).toMatchObject({ receivedBytes: length, errorCode: undefined });
  }
});

/** How many bytes the kernel takes for a connection whose other end does not read. */
async function kernelTakes(fixture: Fixture): Promise<number> {
  const { host, port } = await fixture.raw((peer) => peer.socket.pause());
  const socket = connect({ host, port });
  const written = await sendUntilHeldBack(socket);
  socket.destroy();
  return written;
}

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (!(size > 0)) return Buffer.concat(parts);
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}
