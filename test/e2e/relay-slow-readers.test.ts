import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { Fixture, until } from "../../packages/server/src/relay/fixture.ts";
import { openBothRelays } from "../support/both-relays.ts";
import { collectGarbage } from "../support/garbage.ts";
import { bytesEachMax } from "../support/volume/slow-readers.ts";

const clients = 20;
const answerBytes = 20_000_000;
const part = Buffer.alloc(250_000, "0123456789");

/** What this process holds, the two relays in it: all else in it sends the same bytes again and again. */
function heldBytes(): number {
  collectGarbage();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

it("20 clients that never read 20 MB each cost what the buffers between them may hold", async () => {
  await using fixture = new Fixture();
  let sentBytes = 0;
  function* body(): Generator<Buffer> {
    for (let left = answerBytes; left > 0; left -= part.length) {
      sentBytes += part.length;
      yield part;
    }
  }
  const upstream = await fixture.http((_, response) => {
    response.writeHead(200, { "content-length": answerBytes });
    Readable.from(body(), { objectMode: false, highWaterMark: 1 }).pipe(response);
  });
  const both = await openBothRelays(upstream);
  const peers = await Promise.all(Array.from({ length: clients }, () => both.client()));
  const before = heldBytes();
  for (const peer of peers) peer.send("GET /b/ HTTP/1.1\r\nHost: a\r\n\r\n").socket.pause();
  await untilStill(() => sentBytes);
  expect(sentBytes).toBeLessThan(clients * answerBytes);
  // Garbage is freed beside this thread, in its own time; what is held stays.
  await until(() => (heldBytes() - before) / clients < bytesEachMax, "the relays to hold little");
  console.log(`20 slow readers: ${Math.round((heldBytes() - before) / clients / 1024)} KiB each`);

  const [first] = peers;
  let headBytes = answerBytes;
  first?.socket.once("data", (bytes) => {
    headBytes = bytes.indexOf("\r\n\r\n") + 4;
  });
  first?.socket.resume();
  await until(() => (first?.receivedBytes ?? 0) >= headBytes + answerBytes, "all of it, once it is read");
  expect(first?.receivedBytes).toBe(headBytes + answerBytes);
});

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
