import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Fixture, get, ok, settle, until } from "./fixture.ts";

const asking = get("/", "Connection: Upgrade\r\nUpgrade: x\r\n");
const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

/** A relay in front of a WebSocket server that echoes. */
async function echoing(fixture: Fixture) {
  const upstream = await fixture.http((_incoming, response) => response.end("plain"));
  const sockets = new WebSocketServer({ server: upstream.server });
  const closes: [code: number, reason: string][] = [];
  sockets.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on("close", (code, reason) => closes.push([code, reason.toString()]));
    socket.on("error", () => {});
  });
  const { port } = (await fixture.open(upstream)).address;
  return { url: `ws://127.0.0.1:${port}/`, sockets, closes };
}

/** A raw tunnel, open. */
async function tunnel(fixture: Fixture) {
  const upstream = await fixture.answering(switching);
  await fixture.open(upstream);
  const client = await fixture.client();
  client.send(asking);
  await client.takeUntil(switching);
  const [peer] = upstream.peers;
  if (peer === undefined) throw new Error("nobody has connected");
  await peer.takeUntil(asking);
  return { client, peer };
}

describe("a WebSocket", () => {
  it("carries messages, pings and the close code of either side", async () => {
    await using fixture = new Fixture();
    const { url, sockets, closes } = await echoing(fixture);
    for (const closer of ["client", "server"]) {
      const socket = new WebSocket(url);
      await once(socket, "open");
      for (const message of ["a", "b".repeat(100_000), ""]) {
        socket.send(message);
        const [data] = await once(socket, "message");
        expect(String(data)).toBe(message);
      }
      socket.ping("p");
      expect(String((await once(socket, "pong"))[0])).toBe("p");
      expect(fixture.live).toBe(1);
      if (closer === "client") socket.close(4_001, "mine");
      else for (const each of sockets.clients) each.close(4_002, "yours");
      const [code] = await once(socket, "close");
      expect(code).toBe(closer === "client" ? 4_001 : 4_002);
      await until(() => fixture.live === 0 && fixture.relay.openConnections === 0, "it to be gone");
    }
    expect(closes).toEqual([
      [4_001, "mine"],
      [4_002, "yours"],
    ]);
  });

  it("that is refused gets the answer, and the connection serves another request", async () => {
    await using fixture = new Fixture();
    const answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    const upstream = await fixture.answering(answer, ok("plain"));
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(asking);
    expect(await client.takeUntil("\r\n\r\nno")).toBe(answer);
    expect(fixture.live).toBe(0);
    client.send(get());
    await client.takeUntil("plain");
    expect(upstream.peers).toHaveLength(1);
  });

  it("is opened for Firefox, which asks for keep-alive and Upgrade", async () => {
    await using fixture = new Fixture();
    const { url } = await echoing(fixture);
    const socket = new WebSocket(url, { headers: { connection: "keep-alive, Upgrade" } });
    await once(socket, "open");
    socket.terminate();
    await until(() => fixture.live === 0, "it to be gone");
  });

  it("is opened over a connection that served other requests", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(ok("a"), switching);
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get() + asking);
    await client.takeUntil(switching);
    upstream.peers[0]?.send("hello");
    await client.takeUntil("hello");
    expect(upstream.peers).toHaveLength(1);
  });
});

describe("an upgraded connection", () => {
  it("gets the bytes right behind the 101", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.answering(`${switching}HTTP/1.1 \0\r\nfirst`));
    const client = await fixture.client();
    client.send(asking);
    expect(await client.takeUntil("first")).toBe(`${switching}HTTP/1.1 \0\r\nfirst`);
  });

  it("gets the bytes that the client sent before the 101, and no sooner", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw();
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(`${asking}ahead`);
    await until(() => upstream.peers[0]?.text === asking, "the request");
    client.send(" more");
    await settle();
    expect(upstream.peers[0]?.text).toBe(asking);
    upstream.peers[0]?.send(switching);
    await upstream.peers[0]?.takeUntil("ahead more");
    client.send("after");
    await upstream.peers[0]?.takeUntil("after");
  });

  it("treats such bytes as the next request where the upgrade is refused", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(ok("no"), ok("next"));
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(asking + get("/next"));
    await client.takeUntil("next");
  });

  it("comes to be after a 1xx", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.answering(`HTTP/1.1 103 Early Hints\r\n\r\n${switching}x`));
    const client = await fixture.client();
    client.send(asking);
    expect(await client.takeUntil("\r\n\r\nx")).toContain(switching);
    expect(fixture.live).toBe(1);
  });

  it("whose client sends its end passes that on, and still gets what the upstream sends", async () => {
    await using fixture = new Fixture();
    const { client, peer } = await tunnel(fixture);
    client.send("last").end();
    expect(await peer.takeAll()).toBe("last");
    expect(fixture.live).toBe(0);
    peer.send("answer").end();
    expect(await client.takeAll()).toBe("answer");
    await until(() => fixture.relay.openConnections === 0, "it to be gone");
    expect([client.errorCode, peer.errorCode]).toEqual([undefined, undefined]);
  });

  it("whose upstream sends its end passes that on, and counts until the client has ended too", async () => {
    await using fixture = new Fixture();
    const { client, peer } = await tunnel(fixture);
    peer.send("last").end();
    expect(await client.takeAll()).toBe("last");
    expect(fixture.live).toBe(1);
    client.send("answer").end();
    expect(await peer.takeAll()).toBe("answer");
    await until(() => fixture.relay.openConnections === 0 && fixture.live === 0, "it to be gone");
    expect([client.errorCode, peer.errorCode]).toEqual([undefined, undefined]);
  });

  const much = Buffer.alloc(4_000_000, "much");

  it.each<[first: "client" | "upstream"]>([["client"], ["upstream"]])(
    "loses no byte where both end behind much that is on its way, the %s first",
    async (first) => {
      await using fixture = new Fixture();
      const { client, peer } = await tunnel(fixture);
      const [one, other] = first === "client" ? [client, peer] : [peer, client];
      one.socket.pause();
      other.socket.pause();
      one.send(much).end();
      await settle();
      other.send(much).end();
      await settle();
      one.socket.resume();
      await until(() => one.ended, "one side to get it all");
      await settle();
      other.socket.resume();
      await until(() => other.ended, "the other side to get it all");
      expect([one.receivedBytes, other.receivedBytes]).toEqual([much.length, much.length]);
      expect(one.bytes.equals(much) && other.bytes.equals(much)).toBe(true);
      await until(() => fixture.relay.openConnections === 0 && fixture.live === 0, "it to be gone");
      expect([client.errorCode, peer.errorCode]).toEqual([undefined, undefined]);
    },
  );

  it("in which the client goes silent after the upstream's end is closed in time", async () => {
    await using fixture = new Fixture();
    const { client, peer } = await tunnel(fixture);
    peer.end();
    await client.takeAll();
    await fixture.pass(9_000);
    client.send("alive");
    await peer.takeUntil("alive");
    await fixture.pass(9_000);
    expect(fixture.live).toBe(1);
    await fixture.pass(1_500);
    expect([fixture.live, fixture.relay.openConnections]).toEqual([0, 0]);
  });

  it("in which the upstream goes silent after the client's end is closed in time", async () => {
    await using fixture = new Fixture();
    const { client, peer } = await tunnel(fixture);
    client.end();
    await peer.takeAll();
    await fixture.pass(9_000);
    peer.send("alive");
    await client.takeUntil("alive");
    expect(fixture.activity.lastActiveMs).toBe(9_000);
    await fixture.pass(9_000);
    expect(fixture.relay.openConnections).toBe(1);
    await fixture.pass(1_500);
    expect([fixture.live, fixture.relay.openConnections]).toEqual([0, 0]);
  });

  it("for a client that had sent its end before is closed in time too", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw();
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(`${asking}ahead`).end();
    await until(() => upstream.peers[0]?.text === asking, "the request");
    upstream.peers[0]?.send(switching);
    expect(await upstream.peers[0]?.takeAll()).toBe(`${asking}ahead`);
    expect(fixture.live).toBe(0);
    await fixture.pass(10_500);
    expect(fixture.relay.openConnections).toBe(0);
  });

  it("ends with a reset of the upstream, as a reset", async () => {
    await using fixture = new Fixture();
    const { client, peer } = await tunnel(fixture);
    peer.reset();
    await client.untilClosed();
    expect(client).toMatchObject({ ended: false, errorCode: "ECONNRESET" });
    expect([fixture.live, fixture.relay.openConnections]).toEqual([0, 0]);
  });

  it("ends with a reset of the client, though the upstream never closes its half", async () => {
    await using fixture = new Fixture();
    const { client, peer } = await tunnel(fixture);
    client.reset();
    await until(() => fixture.live === 0 && fixture.relay.openConnections === 0, "it to be gone");
    await until(() => peer.ended || peer.closed, "the upstream to be told");
  });

  it("may stay silent for as long as it likes", async () => {
    await using fixture = new Fixture();
    const { client, peer } = await tunnel(fixture);
    await fixture.pass(86_400_000);
    client.send("still there");
    await peer.takeUntil("still there");
    expect(fixture.live).toBe(1);
  });
});
