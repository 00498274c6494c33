import { expect, it } from "vitest";
import { Fixture, get, ok, type Peer, post, until } from "./fixture.ts";
import { defaultLimits } from "./limits.ts";
import type { Plan } from "./plan.ts";

/** The same numbers in each run. */
function* numbersFrom(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

const switching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
const upgrading = (path: string) => get(path, "Connection: Upgrade\r\nUpgrade: x\r\n");
const chunked = (path: string) =>
  `PUT ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;

it("2,000 exchanges of every kind, many broken off somewhere, leave nothing", { timeout: 20_000 }, async () => {
  await using fixture = new Fixture();
  const numbers = numbersFrom(7);
  const below = (end: number) => Math.floor(numbers.next().value * end);
  const of = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  const tcpHandles = () => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length;

  const big = "x".repeat(200_000);
  const answer = (peer: Peer): unknown =>
    of<() => unknown>([
      () => peer.send(ok("a")),
      () => peer.send(ok("a")),
      () => peer.send(ok(big)),
      () => peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
      () => peer.send("HTTP/1.1 200 OK\r\n\r\nto the end").end(),
      () => peer.send(ok("a", "Connection: close\r\n")).end(),
      () => peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut off").end(),
      () => peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut off").reset(),
      () => peer.send("HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n\r\n"),
      () => peer.send("nonsense\r\n\r\n"),
      () => peer.send(`${ok("a")}more`),
      () => peer.send("HTTP/1.1 100 Continue\r\n\r\n"),
      () => peer.end(),
      () => peer.reset(),
      () => {}, // no answer at all
    ])();
  const upstream = await fixture.raw((peer) => {
    peer.socket.on("data", (bytes) => {
      const text = bytes.toString("latin1");
      if (/upgrade: x/i.test(text) && below(3) > 0) peer.send(`${switching}hello`);
      else if (peer.socket.writable) answer(peer);
    });
    // Some never close their half.
    if (below(3) > 0) peer.socket.on("end", () => peer.end());
  });
  const dead = await fixture.deadPort();
  const before = tcpHandles();
  await fixture.open(({ signal, attempt }) => {
    const plan: Plan = { kind: "forward", upstream };
    switch (below(12)) {
      case 0:
        return { kind: "forward", upstream: attempt > 0 ? upstream : dead };
      case 1:
        return new Promise((resolve) => setTimeout(() => resolve(plan), below(10)));
      case 2:
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      case 3:
        return { kind: "answer", answer: { status: 503, body: "no" } };
      case 4:
        return { kind: "forward", upstream: { ...upstream, key: String(below(3)) } };
      default:
        return plan;
    }
  });

  let left = 2_000;
  const oneClient = async () => {
    while (left > 0) {
      const client = await fixture.client();
      const requests = 1 + below(4);
      left -= requests;
      let sentBytes = 0;
      for (let index = 0; index < requests; index += 1) {
        const sent = of([get("/"), get("/"), post("body"), post(big), chunked("/"), upgrading("/")]);
        client.send(below(10) === 0 ? sent.slice(0, below(sent.length)) : sent);
        sentBytes += sent.length;
        if (below(2) === 0)
          await until(() => client.receivedBytes > 0 || client.closed || fixture.live > 0, "anything");
      }
      const rounds = below(4);
      for (let round = 0; round < rounds; round += 1) await new Promise((resolve) => setImmediate(resolve));
      // The end of a client that is held back is not seen before what it sent is read; its reset is.
      if (sentBytes > defaultLimits.pendingBytesMax) client.reset();
      of<() => unknown>([
        () => client.reset(),
        () => client.socket.destroy(),
        () => client.end(),
        () => client.socket.end(() => client.socket.destroy()),
      ])();
    }
  };
  await Promise.all(Array.from({ length: 20 }, oneClient));

  // What remains waits for something that will not come; the relay's own limits end it.
  const { relay, clock } = fixture;
  await until(() => {
    clock.advance(500);
    return relay.openConnections === 0;
  }, "every connection to be gone");
  expect(fixture.live).toBe(0);
  await until(() => upstream.peers.every((peer) => peer.ended || peer.closed), "the upstream to be told of every end");
  // Those of its connections that the upstream keeps half open are its own; the relay holds none.
  for (const peer of upstream.peers) peer.socket.destroy();
  await until(() => tcpHandles() - before <= 1, "no socket but the relay's own server to be left");
  const open = await new Promise<number>((resolve) => upstream.server.getConnections((_, count) => resolve(count)));
  expect(open).toBe(0);
});
