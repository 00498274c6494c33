import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { FakeClock } from "../lib/fake-clock.ts";
import { Activity } from "./activity.ts";
import { Fixture, get, ok, type Peer, post, settle, until } from "./fixture.ts";
import { defaultLimits } from "./limits.ts";
import type { Plan } from "./plan.ts";

const untilLive = (fixture: Fixture, live: number) => until(() => fixture.live === live, `${live} in flight`);
const untilGone = (fixture: Fixture) =>
  until(() => fixture.live === 0 && fixture.relay.openConnections === 0, "the connection to be gone");
const asking = get("/", "Connection: Upgrade\r\nUpgrade: x\r\n");
const switching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

describe("a count of activity", () => {
  it("knows what is in flight, when that last was so, and whether it ever was", () => {
    const clock = new FakeClock();
    clock.advance(5);
    const activity = new Activity(clock);
    expect([activity.live, activity.lastActiveMs, activity.everActive]).toEqual([0, 5, false]);
    const [one, two] = [activity.begin(), activity.begin()];
    clock.advance(10);
    expect([activity.live, activity.lastActiveMs, activity.everActive]).toEqual([2, 15, true]);
    one.end();
    one.end();
    clock.advance(10);
    expect([activity.live, activity.lastActiveMs]).toEqual([1, 25]);
    two.end(20);
    expect([activity.live, activity.lastActiveMs]).toEqual([0, 20]);
    clock.advance(10);
    activity.touch();
    clock.advance(10);
    expect(activity.lastActiveMs).toBe(35);
  });

  it("tells of each change until it is told to stop", () => {
    const activity = new Activity(new FakeClock());
    const seen: number[] = [];
    const stop = activity.onChange(() => seen.push(activity.live));
    const lease = activity.begin();
    lease.end();
    activity.touch();
    stop();
    activity.begin();
    expect(seen).toEqual([1, 0, 0]);
  });
});

describe("what counts as active", () => {
  it("is a request from its whole head to the end of its response, and no connection that merely is open", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw();
    const { promise, resolve: go } = Promise.withResolvers<void>();
    await fixture.open(async (): Promise<Plan> => {
      await promise;
      return { kind: "forward", upstream };
    });
    const client = await fixture.client();
    await settle();
    expect([fixture.live, fixture.activity.everActive]).toEqual([0, false]);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    await settle();
    expect([fixture.live, fixture.activity.everActive]).toEqual([0, false]);
    client.send("\r\n"); // parked now
    await untilLive(fixture, 1);
    go();
    await until(() => upstream.peers[0]?.text === get(), "the request");
    expect(fixture.live).toBe(1);
    upstream.peers[0]?.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    await client.takeUntil("\r\n\r\na");
    expect(fixture.live).toBe(1);
    upstream.peers[0]?.send("b");
    await client.takeUntil("b");
    expect([fixture.live, fixture.relay.openConnections]).toEqual([0, 1]);
  });

  it("is each of several pipelined requests, one at a time", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw();
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get() + get());
    for (let round = 0; round < 2; round += 1) {
      await until(() => upstream.peers[0]?.text === get(), "the request");
      upstream.peers[0]?.forget();
      expect(fixture.live).toBe(1);
      upstream.peers[0]?.send(ok("a"));
      await client.takeUntil("\r\n\r\na");
    }
    expect(fixture.live).toBe(0);
  });

  it("is a WebSocket until it is closed", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.http(() => {});
    new WebSocketServer({ server: upstream.server });
    const { port } = await fixture.open(upstream).then((relay) => relay.address);
    const socket = new WebSocket(`ws://127.0.0.1:${port}`);
    await once(socket, "open");
    await fixture.pass(3_600_000);
    expect(fixture.live).toBe(1);
    socket.close();
    await untilGone(fixture);
    expect(fixture.activity.lastActiveMs).toBe(3_600_000);
  });

  it("is a stream of events, between its events too", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.http((_incoming, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    });
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("data: 1");
    await fixture.pass(3_600_000);
    expect(fixture.live).toBe(1);
    client.reset();
    await untilGone(fixture);
  });

  it("is an upload that is not finished, even if its answer came", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw();
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    await until(() => upstream.peers[0]?.text.endsWith("a\r\n") === true, "the request");
    await fixture.pass(defaultLimits.bodyTimeoutMs - 1_000);
    expect(fixture.live).toBe(1);
    upstream.peers[0]?.send(ok("a"));
    await client.takeUntil("\r\n\r\na");
    await fixture.pass(defaultLimits.bodyTimeoutMs - 1_000);
    expect(fixture.live).toBe(1);
    client.send("0\r\n\r\n");
    await untilLive(fixture, 0);
  });

  it.each(["", "Connection: close\r\n"])("is a slow download until its last byte has left (%j)", async (fields) => {
    await using fixture = new Fixture();
    const body = Buffer.alloc(16_000_000, "x");
    const upstream = await fixture.raw((peer) => {
      peer.socket.once("data", () =>
        peer.send(`HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n`).send(body),
      );
    });
    await fixture.open(upstream);
    const client = await fixture.client();
    client.socket.pause();
    client.send(get());
    await untilLive(fixture, 1);
    await fixture.pass(60_000);
    expect(fixture.live).toBe(1);
    const read = setInterval(() => {
      client.socket.resume();
      client.socket.once("data", () => client.socket.pause());
      if (fixture.live === 0) clearInterval(read);
    }, 1);
    await untilLive(fixture, 0);
    clearInterval(read);
    client.socket.resume();
    await until(() => client.receivedBytes > body.length, "all of it");
    expect(client.errorCode).toBeUndefined();
  });
});

/** Ways in which a client may be waiting for something. */
const waits: Record<string, { sent: string; answered: string; parked?: boolean }> = {
  "parked request": { sent: get(), answered: "", parked: true },
  "parked request with a body": { sent: post("body"), answered: "", parked: true },
  "request in flight": { sent: get(), answered: "" },
  "request in flight, its response begun": { sent: get(), answered: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na" },
  "response without an end": { sent: get(), answered: "HTTP/1.1 200 OK\r\n\r\na" },
  "upgraded connection": { sent: asking, answered: switching },
};

/** A client in one of them, and the upstream's end if there is one. */
async function waiting(
  fixture: Fixture,
  { sent, answered, parked }: { sent: string; answered: string; parked?: boolean },
) {
  const upstream = await fixture.raw();
  const { promise, resolve: go } = Promise.withResolvers<Plan>();
  const plan: Plan = { kind: "forward", upstream };
  const signals: AbortSignal[] = [];
  await fixture.open(({ signal }) => {
    signals.push(signal);
    return parked ? promise : plan;
  });
  const client = await fixture.client();
  client.send(sent);
  await untilLive(fixture, 1);
  if (!parked) {
    await until(() => upstream.peers[0]?.text === sent, "the request");
    if (answered !== "") {
      upstream.peers[0]?.send(answered);
      await client.takeUntil(answered);
    }
  }
  const [signal] = signals;
  if (signal === undefined) throw new Error("the handler was not asked");
  return { client, upstream, signal, go: () => go(plan) };
}

describe("a client that resets its connection", () => {
  it.each(Object.entries(waits))(
    "ends its %s at once, though the upstream keeps its half open",
    async (_what, wait) => {
      await using fixture = new Fixture();
      const { client, upstream, signal, go } = await waiting(fixture, wait);
      client.reset();
      await untilGone(fixture);
      if (wait.answered !== switching) expect(signal.aborted).toBe(true);
      go();
      await settle();
      expect(upstream.peers.every((peer) => peer.ended || peer.closed)).toBe(true);
      expect([fixture.live, upstream.peers.length]).toEqual([0, wait.parked ? 0 : 1]);
    },
  );

  it("between requests leaves nothing", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(ok("a"));
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("\r\n\r\na");
    client.reset();
    await untilGone(fixture);
    await until(() => upstream.peers[0]?.ended || upstream.peers[0]?.closed || false, "the upstream to be told");
  });

  it("in the middle of its upload ends it, and the upstream's connection with it", async () => {
    await using fixture = new Fixture();
    const { client, upstream } = await waiting(fixture, {
      sent: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na",
      answered: "",
    });
    client.reset();
    await untilGone(fixture);
    await until(() => upstream.peers[0]?.ended || upstream.peers[0]?.closed || false, "the upstream to be told");
  });
});

describe("an upstream that takes half-closes", () => {
  /** Two relays: the first as in a gateway, in front of the second. */
  async function throughTwo(first: Fixture, second: Fixture) {
    const upstream = await second.raw();
    await second.open(upstream);
    await first.open({ ...second.relay.address, takesHalfClose: true });
    return { upstream, client: await first.client() };
  }

  it.each([get(), post("body")])(
    "counts a client that ended its side no more, and still answers it: %j",
    async (sent) => {
      await using second = new Fixture();
      await using first = new Fixture();
      const { upstream, client } = await throughTwo(first, second);
      client.send(sent);
      await until(() => upstream.peers[0]?.text === sent, "the request");
      expect([first.live, second.live]).toEqual([1, 1]);
      client.end();
      await until(() => first.live === 0 && second.live === 0, "nothing to be in flight");
      expect(upstream.peers[0]?.ended).toBe(false); // an application would take it for an abort
      upstream.peers[0]?.send(ok("a"));
      expect(await client.takeAll()).toBe(ok("a"));
      await untilGone(first);
      await untilGone(second);
    },
  );

  it("is told behind the last of pipelined requests", async () => {
    await using second = new Fixture();
    await using first = new Fixture();
    const { upstream, client } = await throughTwo(first, second);
    client.send(get("/1") + post("body", "/2")).end();
    for (const sent of [get("/1"), post("body", "/2")]) {
      await until(() => upstream.peers[0]?.text === sent, "the request");
      upstream.peers[0]?.forget();
      if (sent.startsWith("POST")) await untilLive(second, 0);
      upstream.peers[0]?.send(ok("a"));
    }
    expect(await client.takeAll()).toBe(ok("a").repeat(2));
    await untilGone(first);
    await untilGone(second);
  });
});

describe("a client that ends its side", () => {
  it.each(Object.entries(waits))("ends the count for its %s at once", async (_what, wait) => {
    await using fixture = new Fixture();
    const { client, signal } = await waiting(fixture, wait);
    client.end();
    await untilLive(fixture, 0);
    expect([fixture.relay.openConnections, signal.aborted]).toEqual([1, false]);
  });

  it.each(Object.entries(waits))("has its %s closed on both sides after halfClosedSilenceMs", async (_what, wait) => {
    await using fixture = new Fixture();
    const { client, upstream, signal, go } = await waiting(fixture, wait);
    client.end();
    await untilLive(fixture, 0);
    await fixture.pass(9_000);
    expect(fixture.relay.openConnections).toBe(1);
    await fixture.pass(1_500);
    expect(fixture.relay.openConnections).toBe(0);
    if (wait.answered !== switching) expect(signal.aborted).toBe(true);
    await until(() => client.ended || client.closed, "the client to be told");
    go();
    await settle();
    expect(upstream.peers.every((peer) => peer.ended || peer.closed)).toBe(true);
  });

  it.each([get(), post("body")])("still gets its response, and each byte of it is a sign of life: %j", async (sent) => {
    await using fixture = new Fixture();
    const { client, upstream } = await waiting(fixture, { sent, answered: "" });
    client.end();
    await untilLive(fixture, 0);
    const parts = ["HTTP/1.1 200 OK\r\nConte", "nt-Length: 3\r\n\r\na", "b"];
    for (const [index, part] of parts.entries()) {
      await fixture.pass(9_000);
      upstream.peers[0]?.send(part);
      await until(() => fixture.activity.lastActiveMs === 9_000 * (index + 1), "it to be heard");
      expect(fixture.live).toBe(0);
    }
    upstream.peers[0]?.send("c");
    expect(await client.takeAll()).toBe("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    await untilGone(fixture);
    expect(client.errorCode).toBeUndefined();
  });

  it("while its whole request is parked still gets its response", async () => {
    await using fixture = new Fixture();
    const { client, upstream, go } = await waiting(fixture, { sent: post("body"), answered: "", parked: true });
    client.end();
    await untilLive(fixture, 0);
    go();
    await until(() => upstream.peers[0]?.text === post("body"), "the request");
    upstream.peers[0]?.send(ok("a"));
    expect(await client.takeAll()).toBe(ok("a"));
    await untilGone(fixture);
  });

  it("behind pipelined requests gets all responses, and silence ends it at each of them", async () => {
    await using fixture = new Fixture();
    const { client, upstream } = await waiting(fixture, { sent: get(), answered: "" });
    client.send(get() + post("x") + get()).end();
    await untilLive(fixture, 0);
    for (const expected of [get(), get(), post("x")]) {
      await until(() => upstream.peers[0]?.text === expected, "the request");
      upstream.peers[0]?.forget();
      upstream.peers[0]?.send(ok("a"));
    }
    await until(() => upstream.peers[0]?.text === get(), "the last request");
    expect(fixture.live).toBe(0);
    await fixture.pass(10_500);
    expect(await client.takeAll()).toBe(ok("a").repeat(3));
    await untilGone(fixture);
  });

  it("behind a pipelined request that is cut short has that one refused, and nothing of it passed on for good", async () => {
    await using fixture = new Fixture();
    const { client, upstream } = await waiting(fixture, { sent: get(), answered: "" });
    client.send(post("cut off").slice(0, -3)).end();
    await untilLive(fixture, 0);
    upstream.peers[0]?.send(ok("a"));
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 200 [\s\S]*\r\n\r\naHTTP\/1.1 400 /);
    await untilGone(fixture);
    await until(() => upstream.peers[0]?.ended || upstream.peers[0]?.closed || false, "the upstream to be dropped");
  });

  it.each([false, true])(
    "in the middle of a body gets 400, and the upstream's connection is dropped (parked: %s)",
    async (parked) => {
      await using fixture = new Fixture();
      const { client, upstream, go } = await waiting(fixture, {
        sent: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na",
        answered: "",
        parked,
      });
      client.end();
      expect(await client.takeAll()).toMatch(/^HTTP\/1.1 400 /);
      await untilGone(fixture);
      go();
      await settle();
      expect(upstream.peers.map((peer: Peer) => peer.ended || peer.closed)).toEqual(parked ? [] : [true]);
    },
  );

  it("without a request, or with part of one, is closed", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.raw());
    for (const sent of ["", "GET / HT"]) {
      const client = await fixture.client();
      client.send(sent).end();
      expect(await client.takeAll()).toBe("");
      await untilGone(fixture);
    }
  });

  it("while the upstream is being connected to gives that the time it has, and no more", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.deafPort(), { limits: { halfClosedSilenceMs: 60_000 } });
    const client = await fixture.client();
    client.send(get());
    await untilLive(fixture, 1);
    client.end();
    await untilLive(fixture, 0);
    await fixture.pass(16_500); // three attempts
    expect(fixture.exchanges).toHaveLength(3);
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 504 /);
    await untilGone(fixture);
  });
});
