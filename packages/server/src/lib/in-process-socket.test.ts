import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { buffer, text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { InProcessSocket } from "./in-process-socket.ts";

function openPair() {
  const pair = InProcessSocket.pair();
  onTestFinished(() => {
    pair.client.destroy();
    pair.server.destroy();
  });
  return pair;
}

/** A server that listens nowhere, and a connection to it. */
function serve(listener: RequestListener) {
  const { client, server } = openPair();
  createServer(listener).emit("connection", server);
  return client;
}

const request = (fields = "") => `POST / HTTP/1.1\r\nhost: a\r\n${fields}\r\n`;

describe("a connection within a process", () => {
  it("passes bytes on in both directions, and each side's end for itself", async () => {
    const { client, server } = openPair();
    client.write("one ");
    client.end("two");
    expect(await text(server)).toBe("one two");
    server.end("three");
    expect(await text(client)).toBe("three");
    await expect.poll(() => [client.closed, server.closed]).toEqual([true, true]);
  });

  it("says that it is connected, and interrupts nobody who writes", async () => {
    const { client, server } = openPair();
    await once(client, "connect");
    let received = "";
    server.on("data", (bytes) => {
      received += bytes;
    });
    await new Promise(setImmediate); // it flows
    client.write("bytes");
    expect(received).toBe("");
    await once(server, "data");
    expect(received).toBe("bytes");
  });

  it("holds a writer back while nobody reads", async () => {
    const { client, server } = openPair();
    const piece = Buffer.alloc(16_384);
    let writtenBytes = 0;
    for (let count = 0; count < 100; count++) client.write(piece, () => (writtenBytes += piece.length));
    for (let round = 0; round < 20; round++) await new Promise(setImmediate);
    expect(client.writableNeedDrain).toBe(true);
    expect(writtenBytes).toBeLessThan(200_000);
    client.end();
    expect((await buffer(server)).length).toBe(100 * piece.length);
  });

  it("lets the bytes of an end that is closed be read, and loses those that come to it", async () => {
    const { client, server } = openPair();
    server.end("last words");
    server.destroySoon();
    await once(server, "close");
    const closed = once(client, "close");
    client.end("too late");
    expect(await text(client)).toBe("last words");
    await closed;
  });

  it("that is reset says so to the other end", async () => {
    const { client, server } = openPair();
    client.resetAndDestroy();
    const [error] = (await once(server, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNRESET");
  });
});

describe("an HTTP server over it", () => {
  it("answers one request after the other, with bodies of any size", async () => {
    const client = serve(async (asked, response) => response.end(String((await buffer(asked)).length)));
    let received = "";
    client.on("data", (bytes) => {
      received += bytes;
    });
    for (const length of [0, 5, 3_000_000]) {
      client.write(request(`content-length: ${length}\r\n`));
      client.write(Buffer.alloc(length, "x"));
      await expect.poll(() => received).toMatch(new RegExp(`\r\n\r\n${length}$`));
    }
    expect(received.match(/HTTP\/1.1 200 OK/g)).toHaveLength(3);
  });

  it("hears that its client has gone in the middle of an answer", async () => {
    const gone = Promise.withResolvers<void>();
    const client = serve((_, response) => {
      response.write("begun");
      response.on("close", () => gone.resolve());
    });
    client.write(request());
    await once(client, "data");
    client.destroy();
    await gone.promise;
  });

  it("closes it behind an answer that is its last", async () => {
    const client = serve((_, response) => response.writeHead(200, { connection: "close" }).end("all"));
    client.write(request());
    expect(await text(client)).toMatch(/\r\n\r\n.*all/s);
  });
});
