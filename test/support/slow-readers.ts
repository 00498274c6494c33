import { Readable } from "node:stream";
import { Fixture, type Peer, until } from "../../packages/server/src/relay/fixture.ts";
import { openBothRelays } from "./both-relays.ts";
import { collectGarbage } from "./garbage.ts";

export interface SlowReaders {
  /** What this process holds for each client, garbage apart: its connection, and that of the gateway to the relay host. */
  readonly bytesEach: number;
  /** What the program could send to all of them together before it was held back. */
  readonly sentBytes: number;
  /** What one of them got, when it read at last. */
  readonly readBytes: number;
}

/**
 * What the limits say that a client may hold in each of the two relays: what a socket takes before it says that it is full
 * (64 KiB), the read that made it full and the next one's buffer, and as much again for all that comes with a connection.
 */
export const bytesEachMax = 2 * (3 * 64 + 64) * 1024;

const part = Buffer.alloc(250_000, "0123456789");

/** Has so many clients ask for an answer each through both relays and read none of it, and waits until nothing moves any more. */
export async function measureSlowReaders(load: { clients: number; answerBytes: number }): Promise<SlowReaders> {
  await using fixture = new Fixture();
  let sentBytes = 0;
  function* body(): Generator<Buffer> {
    for (let left = load.answerBytes; left > 0; left -= part.length) {
      sentBytes += part.length;
      yield part;
    }
  }
  const upstream = await fixture.http((_, response) => {
    response.writeHead(200, { "content-length": load.answerBytes });
    Readable.from(body(), { objectMode: false, highWaterMark: 1 }).pipe(response);
  });
  const both = await openBothRelays(upstream);
  const peers = await Promise.all(Array.from({ length: load.clients }, () => both.client()));
  const before = heldBytes();
  for (const peer of peers) peer.send("GET /b/ HTTP/1.1\r\nHost: a\r\n\r\n").socket.pause();
  await untilStill(() => sentBytes);
  const sent = sentBytes;
  const ofClients = peers.reduce((sum, { socket }) => sum + socket.readableLength, 0); // read to be told of, and not told yet
  const held = (await leastOf(heldBytes)) - before - ofClients;
  const readBytes = await readBody(peers[0] as Peer, load.answerBytes);
  return { bytesEach: held / load.clients, sentBytes: sent, readBytes };
}

/** What this process holds, the two relays in it: all else in it sends the same bytes again and again. */
function heldBytes(): number {
  collectGarbage();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

/** Of several looks: garbage is freed beside this thread, in its own time; what is held stays. */
async function leastOf(read: () => number): Promise<number> {
  let least = read();
  for (let look = 0; look < 10; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    least = Math.min(least, read());
  }
  return least;
}

/** Waits until a number has not changed for half a second. */
async function untilStill(read: () => number): Promise<void> {
  let last = read();
  let sinceMs = performance.now();
  await until(() => {
    const now = read();
    if (now !== last) sinceMs = performance.now();
    last = now;
    return now > 0 && performance.now() - sinceMs > 500;
  }, "nothing to move any more");
}

/** How many bytes of the answer's body come, once they are read. */
async function readBody(peer: Peer, answerBytes: number): Promise<number> {
  let headBytes = answerBytes;
  peer.socket.once("data", (bytes) => {
    headBytes = bytes.indexOf("\r\n\r\n") + 4;
  });
  peer.socket.resume();
  await until(() => peer.receivedBytes >= headBytes + answerBytes, "all of an answer, once it is read");
  return peer.receivedBytes - headBytes;
}
