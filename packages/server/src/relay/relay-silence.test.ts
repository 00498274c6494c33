import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Fixture, get, type Peer, settle, until } from "./fixture.ts";

const silentMs = 60_000;
const limits = { silentConnectionMs: silentMs };

/** A relay in front of a WebSocket server that echoes, and a client of it. */
async function webSocket(fixture: Fixture, perMessageDeflate = false) {
  const upstream = await fixture.http((_incoming, response) => response.end("plain"));
  const sockets = new WebSocketServer({ server: upstream.server, perMessageDeflate });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)).on("error", () => {}));
  const { port } = (await fixture.open(upstream, { limits })).address;
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate });
  await once(client, "open");
  const [server] = sockets.clients;
  if (server === undefined) throw new Error("nobody has connected");
  return { client, server };
}

/** A tunnel of another protocol. */
async function tunnel(fixture: Fixture, options = { limits }): Promise<{ client: Peer; upstream: Peer }> {
  const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
  const { peers, ...server } = await fixture.answering(switching);
  await fixture.open(server, options);
  const client = await fixture.client();
  client.send(get("/", "Connection: Upgrade\r\nUpgrade: x\r\n"));
  await client.takeUntil(switching);
  const [upstream] = peers;
  if (upstream === undefined) throw new Error("nobody has connected");
  return { client, upstream };
}

describe("a WebSocket, where silence is limited,", () => {
  it("does not count once it has carried pings alone for as long, from either side, and counts again with the next message", async () => {
    await using fixture = new Fixture();
    const { client, server } = await webSocket(fixture);
    await fixture.pass(silentMs / 2);
    client.ping("from the client");
    await once(client, "pong");
    server.ping("from the server");
    await once(server, "pong");
    expect(fixture.live).toBe(1);
    const silentAtMs = fixture.clock.monotonicMs() + silentMs / 2;
    await fixture.pass(silentMs / 2 + 5_000);
    expect(fixture.live).toBe(0);
    expect(fixture.activity.lastActiveMs).toBe(silentAtMs); // as if it had been closed then
    client.ping();
    await once(client, "pong");
    expect(fixture.live).toBe(0);

    client.send("hello");
    await once(client, "message");
    expect(fixture.live).toBe(1);
    await fixture.pass(silentMs);
    expect(fixture.live).toBe(0);
    server.send("from the server alone");
    await once(client, "message");
    expect(fixture.live).toBe(1);
    client.terminate();
    await until(() => fixture.live === 0, "it to be gone");
  });

  it("counts for as long as messages come in time, compressed ones too", async () => {
    await using fixture = new Fixture();
    const { client } = await webSocket(fixture, true);
    for (let round = 0; round < 5; round += 1) {
      await fixture.pass(silentMs - 1_000);
      expect(fixture.live).toBe(1);
      client.send("x".repeat(70_000));
      await once(client, "message");
    }
    client.terminate();
  });

  it("that closes in good order while it does not count leaves nothing behind", async () => {
    await using fixture = new Fixture();
    const { client } = await webSocket(fixture);
    await fixture.pass(silentMs + 1_000);
    client.close(1_000);
    await once(client, "close");
    await until(() => fixture.relay.openConnections === 0, "it to be gone");
    expect(fixture.live).toBe(0);
  });
});

describe("an upgraded connection of another protocol, where silence is limited,", () => {
  it("counts with each byte", async () => {
    await using fixture = new Fixture();
    const { client, upstream } = await tunnel(fixture);
    await fixture.pass(silentMs - 1_000);
    client.send("\x89\x00"); // a ping, if it were a WebSocket
    await upstream.takeUntil("\x89\x00");
    await fixture.pass(silentMs - 1_000);
    expect(fixture.live).toBe(1);
    await fixture.pass(2_000);
    expect(fixture.live).toBe(0);
    upstream.send("\x89\x00");
    await client.takeUntil("\x89\x00");
    expect(fixture.live).toBe(1);
  });

  it("does not count any more once its client has half-closed, whatever comes", async () => {
    await using fixture = new Fixture();
    const { client, upstream } = await tunnel(fixture);
    await fixture.pass(silentMs);
    client.end();
    await until(() => upstream.ended, "the client's end");
    upstream.send("more");
    await client.takeUntil("more");
    expect(fixture.live).toBe(0);
  });

  it("counts for ever where it is not", async () => {
    await using fixture = new Fixture();
    await tunnel(fixture, { limits: { silentConnectionMs: 0 } });
    await fixture.pass(1_000 * silentMs);
    await settle();
    expect(fixture.live).toBe(1);
  });
});
