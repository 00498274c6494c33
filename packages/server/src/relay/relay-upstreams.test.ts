import { describe, expect, it } from "vitest";
import { Fixture, get, ok, type Peer, post, settle, until } from "./fixture.ts";
import type { Plan, Upstream } from "./plan.ts";
import type { ResponseHead } from "./response-head.ts";

const forward = (upstream: Upstream): Plan => ({ kind: "forward", upstream });

/** What the handler was asked: attempt and why the one before failed. */
const attemptsOf = ({ exchanges }: Fixture) =>
  exchanges.map(({ attempt, previousFailure }) => [attempt, previousFailure?.kind]);

describe("an upstream that refuses connections", () => {
  it("leads to the handler being asked again, and told why", async () => {
    await using fixture = new Fixture();
    const [dead, alive] = [await fixture.deadPort(), await fixture.answering(ok("alive"))];
    await fixture.open(({ attempt }) => forward(attempt === 0 ? dead : alive));
    const client = await fixture.client();
    client.send(post("body"));
    await client.takeUntil("alive");
    expect(attemptsOf(fixture)).toEqual([
      [0, undefined],
      [1, "upstream_failed"],
    ]);
    expect(fixture.exchanges[1]?.previousFailure?.message).toContain("ECONNREFUSED");
    expect(alive.peers[0]?.text).toBe(post("body"));
  });

  it("is given up after the third attempt, with 502", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.deadPort());
    const client = await fixture.client();
    client.send(get());
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 502 /);
    expect(attemptsOf(fixture).map(([attempt]) => attempt)).toEqual([0, 1, 2]);
    expect(fixture.live).toBe(0);
  });

  it("at every address of a name says so too", async () => {
    await using fixture = new Fixture();
    const { port } = await fixture.deadPort();
    await fixture.open({ host: "localhost", port });
    const client = await fixture.client();
    client.send(get());
    expect(await client.takeAll()).toContain("ECONNREFUSED");
  });

  it("leads to a request over the next connection being repeated where the handler takes its time", async () => {
    await using fixture = new Fixture();
    const [dead, alive] = [await fixture.deadPort(), await fixture.answering(ok("alive"))];
    await fixture.open(async ({ attempt }) => {
      await settle();
      return forward(attempt === 0 ? dead : alive);
    });
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("alive");
    expect(alive.peers[0]?.text).toBe(get());
  });
});

it("an upstream that takes too long to connect is given up after connectTimeoutMs", async () => {
  await using fixture = new Fixture();
  await fixture.open(await fixture.deafPort(), { limits: { connectTimeoutMs: 1_000 } });
  const client = await fixture.client();
  client.send(get());
  await until(() => fixture.exchanges.length > 0, "the request");
  await fixture.pass(900);
  expect(fixture.exchanges).toHaveLength(1);
  await fixture.pass(3_100);
  expect(fixture.exchanges).toHaveLength(3);
  expect(await client.takeAll()).toContain("connecting took more than 1 s");
  expect(fixture.live).toBe(0);
});

describe("an upstream that closes before it answers", () => {
  /** Answers the first `good` requests of its first connection, and closes it on the next; later connections answer. */
  function closingOn(fixture: Fixture, good: number, close: (peer: Peer) => unknown = (peer) => peer.end()) {
    return fixture.raw((peer, index) => {
      let requests = 0;
      peer.socket.on("data", () => {
        if (index > 0 || ++requests <= good) peer.send(ok(`answer ${index}`));
        else close(peer);
      });
    });
  }

  it.each<[what: string, sent: string]>([
    ["GET", get()],
    ["POST", post("body")],
  ])("on a fresh connection: 502, and %s is not repeated", async (_what, sent) => {
    await using fixture = new Fixture();
    const upstream = await closingOn(fixture, 0);
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(sent);
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 502 /);
    expect(upstream.peers).toHaveLength(1);
  });

  it.each<[how: string, close: (peer: Peer) => void]>([
    ["an end", (peer) => void peer.end()],
    ["a reset", (peer) => void peer.reset()],
    ["half a head and an end", (peer) => void peer.send("HTTP/1.1 200 OK\r\nX-Half: y").end()],
  ])("on a reused connection, by %s: GET is repeated once, over a fresh one", async (_how, close) => {
    await using fixture = new Fixture();
    const upstream = await closingOn(fixture, 1, close);
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get("/1"));
    await client.takeUntil("answer 0");
    client.send(get("/2"));
    expect(await client.takeUntil("answer 1")).toBe(ok("answer 1"));
    expect(upstream.peers.map((peer) => peer.text)).toEqual([get("/1") + get("/2"), get("/2")]);
    expect(attemptsOf(fixture).map(([attempt]) => attempt)).toEqual([0, 0, 1]);
    expect(fixture.live).toBe(0);
  });

  it.each(["POST", "PATCH"])("on a reused connection: %s is not repeated, with 502", async (method) => {
    await using fixture = new Fixture();
    const upstream = await closingOn(fixture, 1);
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("answer 0");
    client.send(`${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`);
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 502 /);
    expect(upstream.peers).toHaveLength(1);
  });

  it("PUT is not repeated once bytes of its body were sent", async () => {
    await using fixture = new Fixture();
    const upstream = await closingOn(fixture, 1);
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("answer 0");
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 502 /);
    expect(upstream.peers).toHaveLength(1);
  });

  it("after it has said that it goes on (100): GET with its head alone is not taken for answered", async () => {
    await using fixture = new Fixture();
    const upstream = await closingOn(fixture, 0, (peer) => peer.send("HTTP/1.1 100 Continue\r\n\r\n").end());
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 502 /);
  });

  it.each<[ms: number, connections: number]>([
    [900, 1],
    [1_100, 2],
  ])("POST after %i ms of rest goes over connection %i", async (ms, connections) => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(ok("a"));
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("\r\n\r\na");
    fixture.clock.advance(ms);
    client.send(post("x"));
    await client.takeUntil("\r\n\r\na");
    expect(upstream.peers).toHaveLength(connections);
  });

  it("GET after a long rest goes over the same connection", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(ok("a"));
    await fixture.open(upstream);
    const client = await fixture.client();
    for (let round = 0; round < 2; round += 1) {
      client.send(get());
      await client.takeUntil("\r\n\r\na");
      fixture.clock.advance(60_000);
    }
    expect(upstream.peers).toHaveLength(1);
  });

  it("while it rests: the next request goes over a fresh connection, as attempt 0", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(ok("a"));
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("\r\n\r\na");
    upstream.peers[0]?.end();
    await until(() => upstream.peers[0]?.ended === true, "it to be closed");
    client.send(post("x"));
    await client.takeUntil("\r\n\r\na");
    expect(upstream.peers).toHaveLength(2);
    expect(attemptsOf(fixture).map(([attempt]) => attempt)).toEqual([0, 0]);
  });
});

describe("while the handler takes its time over a later request", () => {
  /** A fixture whose second request waits until `go` is called. */
  async function waiting(fixture: Fixture) {
    const upstream = await fixture.answering(ok("a"));
    const { promise, resolve: go } = Promise.withResolvers<void>();
    await fixture.open(({ head }) =>
      head.target === "/late" ? promise.then(() => forward(upstream)) : forward(upstream),
    );
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("\r\n\r\na");
    client.send(post("x", "/late"));
    await until(() => fixture.exchanges.length === 2, "the second request");
    return { upstream, client, go };
  }

  it.each<[how: string, part: (peer: Peer) => void]>([
    ["the end", (peer) => void peer.end()],
    ["a reset", (peer) => void peer.reset()],
  ])("%s of the upstream connection asks nobody again, and the request is sent once", async (_how, part) => {
    await using fixture = new Fixture();
    const { upstream, client, go } = await waiting(fixture);
    const [first] = upstream.peers;
    if (first) part(first);
    await until(() => first?.ended || first?.closed || false, "it to be closed");
    await settle();
    expect(fixture.live).toBe(1);
    go();
    await client.takeUntil("\r\n\r\na");
    await settle();
    expect(fixture.exchanges).toHaveLength(2);
    expect(upstream.peers.map((peer) => peer.text)).toEqual([get(), post("x", "/late")]);
    expect(fixture.live).toBe(0);
  });

  it("bytes of the upstream that answer nothing are not taken for its response", async () => {
    await using fixture = new Fixture();
    const { upstream, client, go } = await waiting(fixture);
    upstream.peers[0]?.send(ok("evil"));
    await until(() => upstream.peers[0]?.ended || upstream.peers[0]?.closed || false, "it to be dropped");
    go();
    expect(await client.takeUntil("\r\n\r\na")).toBe(ok("a"));
    expect(upstream.peers).toHaveLength(2);
  });
});

describe("421", () => {
  it("asks again, and the next answer counts; even POST may be repeated whose body was not sent", async () => {
    await using fixture = new Fixture();
    const no = await fixture.answering("HTTP/1.1 421 Misdirected Request\r\nContent-Length: 2\r\n\r\nno");
    const yes = await fixture.answering(ok("yes"));
    await fixture.open(({ attempt }) => forward(attempt === 0 ? no : yes));
    const client = await fixture.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    expect(await client.takeUntil("yes")).toBe(ok("yes"));
    expect(attemptsOf(fixture)).toEqual([
      [0, undefined],
      [1, "upstream_failed"],
    ]);
    await until(() => no.peers[0]?.ended === true, "the other connection to be closed");
  });

  it("is passed on where the body was sent, and where nobody is the one meant", async () => {
    await using fixture = new Fixture();
    const answer = "HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n\r\n";
    await fixture.open(await fixture.answering(answer));
    const client = await fixture.client();
    client.send(post("x"));
    expect(await client.takeUntil("\r\n\r\n")).toBe(answer);
    client.send(get());
    expect(await client.takeUntil("\r\n\r\n")).toBe(answer);
    expect(attemptsOf(fixture).map(([attempt]) => attempt)).toEqual([0, 0, 1, 2]);
  });
});

describe("a refusal", () => {
  const refusal = "HTTP/1.1 410 Gone\r\nX-Refused: 1\r\nContent-Length: 2\r\n\r\nno";
  const isRefusal = (head: ResponseHead) => head.header("x-refused") !== undefined;

  it.each([
    ["without a body", get()],
    ["whose body was sent", post("x")],
    ["whose body was begun", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx"],
    ["for an upgrade", get("/", "Connection: upgrade\r\nUpgrade: x\r\n")],
  ])("lets the handler answer a request %s itself", async (_what, request) => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(refusal);
    await fixture.open(({ previousFailure }) =>
      previousFailure === undefined
        ? { kind: "forward", upstream, isRefusal }
        : { kind: "answer", answer: { status: 410, body: "for a reason" } },
    );
    const client = await fixture.client();
    client.send(request);
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 410 Gone\r\n[\s\S]*for a reason$/);
  });

  it("sends no body twice: 502 where the handler knows nothing but another upstream", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(refusal);
    await fixture.open(() => ({ kind: "forward", upstream, isRefusal }));
    const client = await fixture.client();
    client.send(post("x"));
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 502 /);
    expect(upstream.peers).toHaveLength(1);
  });

  it("is passed on where the handler knows nothing better", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(refusal);
    await fixture.open(() => ({ kind: "forward", upstream, isRefusal }));
    const client = await fixture.client();
    client.send(get());
    expect(await client.takeUntil("no")).toBe(refusal);
    expect(attemptsOf(fixture).map(([attempt]) => attempt)).toEqual([0, 1, 2]);
  });
});

describe("an answer that cannot be passed on", () => {
  it.each<[what: string, answer: string]>([
    ["no HTTP", "SSH-2.0-OpenSSH\r\n\r\n"],
    ["a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"],
    ["a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"],
    ["a bad name", "HTTP/1.1 200 OK\r\nX : a\r\n\r\n"],
    ["differing lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
    ["a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
    ["a large head", `HTTP/1.1 200 OK\r\nX: ${"a".repeat(40_000)}`],
    ["101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    ["HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n"],
  ])("is 502: %s", async (_what, answer) => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(answer);
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    // It says whose message is at fault: to the client, a refusal of its own request reads alike.
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 502 [\s\S]*(the upstream's answer: |101 was answered )/);
    expect(fixture.live).toBe(0);
    await until(() => upstream.peers[0]?.ended || upstream.peers[0]?.closed || false, "it to be dropped");
  });

  it("breaks the connection off where it turns bad in its body", async () => {
    await using fixture = new Fixture();
    await fixture.open(
      await fixture.answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0x1\r\n"),
    );
    const client = await fixture.client();
    client.send(get());
    expect(await client.takeAll()).not.toContain("0\r\n\r\n");
    expect(fixture.relay.openConnections).toBe(0);
  });

  it("with bytes behind its end is cut there, and the connection it came by is dropped", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(`${ok("a")}HTTP/1.1 200 OK\r\n\r\nevil`);
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get() + get());
    await until(() => client.text.length >= 2 * ok("a").length, "two answers");
    await settle();
    expect(client.text).toBe(ok("a") + ok("a"));
    expect(upstream.peers).toHaveLength(2);
  });

  it("early and with bytes behind its end does not leave the upload stuck", async () => {
    await using fixture = new Fixture();
    await fixture.open(
      await fixture.raw((peer) => {
        peer.socket.once("data", () => peer.send(`${ok("a")}more`));
      }),
    );
    const client = await fixture.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx");
    expect(await client.takeAll()).toBe(ok("a"));
    expect(fixture.live).toBe(0);
  });
});

describe("an upstream that dies in the middle of a body", () => {
  const beginnings = {
    "of a length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
    "in chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
  };
  const deaths = { end: (peer?: Peer) => peer?.end(), reset: (peer?: Peer) => peer?.reset() };
  const cases = Object.keys(beginnings).flatMap((kind) => Object.keys(deaths).map((death) => [kind, death] as const));

  it.each(cases)("%s, by %s: the client's connection is broken off", async (kind, death) => {
    await using fixture = new Fixture();
    const beginning = beginnings[kind as keyof typeof beginnings];
    const upstream = await fixture.answering(beginning);
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    await until(() => client.text === beginning, "the beginning");
    deaths[death as keyof typeof deaths](upstream.peers[0]);
    await until(() => client.ended || client.closed, "the connection to be broken off");
    expect(client.text).toBe(beginning);
    expect([fixture.live, fixture.relay.openConnections]).toEqual([0, 0]);
  });

  it("of no length, by a reset: the client's connection is reset, since an end would complete it", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw((peer) => peer.send("HTTP/1.1 200 OK\r\n\r\nabc"));
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("abc");
    upstream.peers[0]?.reset();
    await client.untilClosed();
    expect(client).toMatchObject({ ended: false, errorCode: "ECONNRESET" });
  });
});
