import { describe, expect, it } from "vitest";
import { Fixture, get, ok, post, settle, until } from "./fixture.ts";

const switching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
const upgrading = get("/", "Connection: upgrade\r\nUpgrade: x\r\n");

describe("the traffic of a relay", () => {
  it("is every byte read from clients and written to them, of open connections and of those that are gone", async () => {
    await using fixture = new Fixture();
    const relay = await fixture.open(await fixture.answering(ok("one"), ok("two!")));
    const request = post("a body");
    const expected = { connections: 1, upgradedConnections: 0, bytesReceived: 0, bytesSent: 0 };
    const first = await fixture.client();
    await until(() => relay.traffic().connections === 1, "the connection");
    expect(relay.traffic()).toEqual(expected);

    first.send(request);
    await first.takeUntil(ok("one"));
    expected.bytesReceived += request.length;
    expected.bytesSent += ok("one").length;
    expect(relay.traffic()).toEqual(expected);

    first.reset();
    await until(() => relay.traffic().connections === 0, "the connection to be gone");
    expected.connections = 0;
    expect(relay.traffic()).toEqual(expected);

    const second = await fixture.client();
    second.send(request);
    await second.takeUntil(ok("two!"));
    expected.connections = 1;
    expected.bytesReceived += request.length;
    expected.bytesSent += ok("two!").length;
    expect(relay.traffic()).toEqual(expected);
  });

  it("knows which connections are upgraded, and what goes through them", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(switching);
    const relay = await fixture.open(upstream);
    const client = await fixture.client();
    client.send(upgrading);
    await client.takeUntil(switching);
    client.send("from the client");
    await upstream.peers[0]?.takeUntil("from the client");
    upstream.peers[0]?.send("from the upstream");
    await client.takeUntil("from the upstream");
    expect(relay.traffic()).toEqual({
      connections: 1,
      upgradedConnections: 1,
      bytesReceived: upgrading.length + "from the client".length,
      bytesSent: switching.length + "from the upstream".length,
    });
    client.reset();
    await until(() => relay.traffic().upgradedConnections === 0, "the tunnel to be gone");
  });

  it("has no byte that waited for a slow client and never left, and never shrinks", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw((peer) => peer.send(ok("x".repeat(32 * 1024 * 1024))));
    const relay = await fixture.open(upstream);
    const client = await fixture.client();
    client.socket.pause();
    client.send(get());
    const seen = [0];
    const sent = () => {
      seen.push(relay.traffic().bytesSent);
      return seen.at(-1) ?? 0;
    };
    for (let before = -1; sent() === 0 || seen.at(-1) !== before; ) {
      before = sent();
      await settle();
    }
    await relay.close();
    client.socket.resume();
    await client.takeAll();
    expect(sent()).toBeLessThanOrEqual(client.receivedBytes);
    expect(client.receivedBytes - sent()).toBeLessThan(1024 * 1024);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  it("tells of each answer of its own, and of none that an upstream gave", async () => {
    await using fixture = new Fixture();
    const statuses: number[] = [];
    const upstream = await fixture.answering(ok("there"));
    await fixture.open(
      ({ head }) =>
        head.target === "/there" ? { kind: "forward", upstream } : { kind: "answer", answer: { status: 404 } },
      { onAnswered: (status) => statuses.push(status) },
    );
    for (const [text, status] of [
      [get("/there"), "200"],
      [get("/elsewhere"), "404"],
      ["no HTTP\r\n\r\n", "400"],
    ] as const) {
      const client = await fixture.client();
      client.send(text);
      expect(await client.takeUntil("\r\n\r\n")).toContain(`HTTP/1.1 ${status} `);
    }
    expect(statuses).toEqual([404, 400]);
  });
});
