import { Agent, request } from "node:http";
import { describe, expect, it } from "vitest";
import { systemClock } from "../lib/clock.ts";
import { Fixture, get, ok, type Peer, post, settle, until } from "./fixture.ts";

const chunked = "Transfer-Encoding: chunked\r\n";

describe("a request and its response", () => {
  it("reach the other side byte for byte", async () => {
    await using fixture = new Fixture();
    const answer = "HTTP/1.1 200 Ja gut\r\nx-odd:\t v \r\nContent-Length: 3\r\n\r\n\0\xffa";
    const upstream = await fixture.answering(answer);
    await fixture.open(upstream);
    const client = await fixture.client();
    const sent = "PoST /%zz?\xe4 HTTP/1.1\r\nhOST:a\r\nX:  \xff \r\nContent-Length: 2\r\n\r\n\r\n";
    client.send(sent);
    expect(await client.takeUntil("\0\xffa")).toBe(answer);
    expect(upstream.peers[0]?.text).toBe(sent);
  });

  it("may come in any pieces", async () => {
    await using fixture = new Fixture();
    const sent = `POST / HTTP/1.1\r\nHost: a\r\n${chunked}\r\n5;x\r\nhello\r\n0\r\nT: 1\r\n\r\n`;
    const answer = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n${chunked}\r\n3\r\nabc\r\n0\r\nSum: 1\r\n\r\n`;
    const upstream = await fixture.raw((peer) => {
      peer.socket.on("data", async () => {
        if (!peer.text.endsWith("T: 1\r\n\r\n")) return;
        await peer.takeUntil("T: 1\r\n\r\n");
        for (const byte of answer) {
          peer.send(byte);
          await new Promise((resolve) => setImmediate(resolve));
        }
      });
    });
    await fixture.open(upstream);
    const client = await fixture.client();
    for (const byte of sent) {
      client.send(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await client.takeUntil("Sum: 1\r\n\r\n")).toBe(answer);
    for (const cut of [1, 20, 40, sent.length - 3]) {
      client.send(sent.slice(0, cut));
      await settle();
      client.send(sent.slice(cut));
      expect(await client.takeUntil("Sum: 1\r\n\r\n")).toBe(answer);
    }
    expect(upstream.peers).toHaveLength(1);
  });

  it("go with those of node:http, many over one connection", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.http((incoming, response) => {
      response.setHeader("x-path", incoming.url ?? "");
      incoming.pipe(response);
    });
    const { port } = await fixture.open(upstream).then((relay) => relay.address);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let index = 0; index < 20; index += 1) {
      const body = "x".repeat(index * 1_000);
      const answer = await new Promise<string>((resolve, reject) => {
        const outgoing = request({ port, path: `/${index}`, method: "PUT", agent }, (response) => {
          const parts: Buffer[] = [];
          response.on("data", (part) => parts.push(part));
          response.on("end", () => resolve(`${response.headers["x-path"]} ${Buffer.concat(parts)}`));
        });
        outgoing.on("error", reject).end(body);
      });
      expect(answer).toBe(`/${index} ${body}`);
    }
    agent.destroy();
    expect(upstream.connections()).toBe(1);
    expect(fixture.exchanges).toHaveLength(20);
  });

  it("are kept in order where the client does not wait for answers", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.http((incoming, response) => {
      incoming.resume().on("end", () => response.end(`<${incoming.url}>`));
    });
    await fixture.open(upstream);
    const client = await fixture.client();
    const paths = Array.from({ length: 200 }, (_, index) => `/${index}`);
    client.send(paths.map((path, index) => (index % 3 === 0 ? post("body\r\n\r\n", path) : get(path))).join(""));
    const text = await client.takeUntil("</199>");
    expect([...text.matchAll(/<(.*?)>/g)].map(([, path]) => path)).toEqual(paths);
    expect(upstream.connections()).toBe(1);
  });

  it.each<[what: string, method: string, answer: string]>([
    ["HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"],
    ["HEAD, chunked", "HEAD", `HTTP/1.1 200 OK\r\n${chunked}\r\n`],
    ["204", "GET", "HTTP/1.1 204 No Content\r\n\r\n"],
    ["304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n"],
    ["an empty body", "GET", ok("")],
    ["a chunked body with trailers", "GET", `HTTP/1.1 200 OK\r\n${chunked}\r\n1\r\na\r\n0\r\nT: 1\r\n\r\n`],
    [
      "a 1xx before the final answer",
      "GET",
      `HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100\r\n\r\n${ok("a")}`,
    ],
    ["HTTP/1.0 that is kept alive", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na"],
  ])("%s leaves the connection to the next request", async (_what, method, answer) => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(answer, ok("next"));
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    await until(() => client.text.length >= answer.length && fixture.live === 0, "the answer");
    client.send(get());
    expect(await client.takeUntil("next")).toBe(answer + ok("next"));
    expect(upstream.peers).toHaveLength(1);
    expect(client.ended).toBe(false);
  });

  it.each<[what: string, sent: string, answer: string]>([
    ["the client says close", get("/", "Connection: close\r\n"), ok("a")],
    ["the client speaks HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", ok("a")],
    ["the upstream says close", get(), ok("a", "Connection: close\r\n")],
    ["the upstream speaks HTTP/1.0", get(), "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"],
  ])("end the connection where %s", async (_what, sent, answer) => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(answer);
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(sent);
    expect(await client.takeAll()).toBe(answer);
    await until(() => upstream.peers[0]?.ended === true, "the upstream connection to be closed");
    client.end();
    await until(() => fixture.relay.openConnections === 0, "the connection to be gone");
  });

  it("end with the connection where the response has no other end", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw((peer) => peer.send("HTTP/1.1 200 OK\r\n\r\nabc"));
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(get());
    await client.takeUntil("abc");
    expect(fixture.live).toBe(1);
    upstream.peers[0]?.send("def").end();
    expect(await client.takeAll()).toBe("def");
    expect(fixture.live).toBe(0);
    expect(client.errorCode).toBeUndefined();
  });

  it("ignore an empty line before the request", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.answering(ok("a")));
    const client = await fixture.client();
    client.send(`\r\n\r\n${get()}`);
    await client.takeUntil("\r\n\r\na");
    client.send("\r");
    await settle();
    client.send(`\n${get()}`);
    await client.takeUntil("\r\n\r\na");
  });

  it("HTTP/1.0 with keep-alive serves another request", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.answering(ok("a", "Connection: keep-alive\r\n")));
    const client = await fixture.client();
    for (let round = 0; round < 2; round += 1) {
      client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
      await client.takeUntil("\r\n\r\na");
    }
  });

  it("an early answer does not stop the upload, and the connection goes on", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw((peer) => {
      peer.socket.once("data", () => peer.send(ok("early")));
    });
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    await client.takeUntil("early");
    expect(fixture.live).toBe(1);
    client.send(`56789${get("/next")}`);
    await until(() => upstream.peers[0]?.text.includes("/next") === true, "the next request");
    expect(upstream.peers[0]?.text).toContain("\r\n\r\n0123456789GET /next");
    upstream.peers[0]?.send(ok("second"));
    await client.takeUntil("second");
    expect(fixture.live).toBe(0);
  });

  it("an early answer that closes is read by a client that goes on uploading far more than is thrown away", async () => {
    await using fixture = new Fixture();
    const answer = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    const upstream = await fixture.raw((peer) => {
      peer.socket.once("data", () => peer.send(answer));
    });
    await fixture.open(upstream, { limits: { lingerBytesMax: 262_144 } });
    const client = await fixture.client();
    client.socket.pause(); // slow to look for an answer
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
    client.send(Buffer.alloc(8_000_000));
    await until(
      () => upstream.peers[0]?.closed === true || upstream.peers[0]?.ended === true,
      "the upstream to be left",
    );
    await settle();
    client.socket.resume();
    expect(await client.takeAll()).toBe(answer);
    await fixture.pass(2_500);
    await client.untilClosed();
  });
});

describe("what the relay answers itself", () => {
  it.each<[status: number, what: string, sent: string]>([
    [400, "a malformed request line", "GET\r\n\r\n"],
    [
      400,
      "both Content-Length and Transfer-Encoding",
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n${chunked}\r\n0\r\n\r\n`,
    ],
    [400, "a bad chunk size", `POST / HTTP/1.1\r\nHost: a\r\n${chunked}\r\n0x5\r\n`],
    [400, "a bare LF", "GET / HTTP/1.1\nHost: a\n\n"],
    [431, "a large head", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(40_000)}`],
    [431, "many fields", get("/", "X: a\r\n".repeat(200))],
    [501, "CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"],
    [505, "HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ])("is %i for %s, and the connection ends", async (status, _what, sent) => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw();
    await fixture.open(upstream);
    const client = await fixture.client();
    client.send(sent);
    const text = await client.takeAll();
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} [A-Z]`));
    expect(text).toContain("connection: close\r\n");
    expect(fixture.live).toBe(0);
    client.end();
    await until(() => fixture.relay.openConnections === 0, "the connection to be gone");
    await until(() => upstream.peers.every((peer) => peer.ended || peer.closed), "no upstream connection");
  });

  it("is 400 in its turn: behind the answers to what came before", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.answering(ok("good")));
    const client = await fixture.client();
    client.send(`${get()}BAD\r\n\r\n`);
    expect(await client.takeAll()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*good.*HTTP\/1\.1 400 /);
  });

  it("is 408 for a head that does not come to its end, however its bytes drip", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.raw());
    const client = await fixture.client();
    client.send("GET / HT");
    await fixture.pass(20_000);
    client.send("TP/1.1\r\nX: ");
    await fixture.pass(9_000);
    expect(client.ended).toBe(false);
    await fixture.pass(2_000);
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 408 /);
    await fixture.pass(2_500); // the client does not close: lingering ends
    expect(fixture.relay.openConnections).toBe(0);
  });

  it("is not 408 for a head whose rest came in time, while the process did not run", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.answering(ok("a")), { clock: systemClock, limits: { headTimeoutMs: 500 } });
    const client = await fixture.client();
    client.send("GET / HT");
    await until(() => fixture.relay.traffic().bytesReceived > 0, "its beginning to be read");
    await new Promise((resolve) => setImmediate(resolve)); // timers come next, and only then what was received
    client.send("TP/1.1\r\nHost: a\r\n\r\n");
    for (const untilMs = performance.now() + 1_500; performance.now() < untilMs; );
    expect(await client.takeUntil("\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("is what the handler says, without a body for HEAD", async () => {
    await using fixture = new Fixture();
    await fixture.open(() => ({ kind: "answer", answer: { status: 410, headers: { x: "a\r\nb" }, body: "gön" } }));
    const client = await fixture.client();
    client.send(get());
    const text = await client.takeAll();
    expect(text).toMatch(
      /^HTTP\/1.1 410 Gone\r\nx: a {2}b\r\ndate: .* GMT\r\ncontent-length: 4\r\nconnection: close\r\n\r\n/,
    );
    const head = await fixture.client();
    head.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await head.takeAll()).toMatch(/content-length: 4\r\nconnection: close\r\n\r\n$/);
  });

  it("nothing at all, to a connection that stays idle", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.answering(ok("a")));
    const [used, unused] = [await fixture.client(), await fixture.client()];
    used.send(get());
    await used.takeUntil("\r\n\r\na");
    await fixture.pass(119_000);
    expect([used.closed, unused.closed, used.ended]).toEqual([false, false, false]);
    await fixture.pass(1_500);
    await until(() => used.ended && unused.ended, "both to be closed");
    expect(fixture.relay.openConnections).toBe(0);
  });
});

describe("what the handler does", () => {
  it.each<[what: string, fail: () => never | Promise<never>]>([
    [
      "throws",
      () => {
        throw new Error("mine");
      },
    ],
    ["rejects", () => Promise.reject(new Error("mine"))],
  ])("ends the request with 502 where it %s", async (_what, fail) => {
    await using fixture = new Fixture();
    const problems: unknown[] = [];
    await fixture.open(() => fail(), {
      describeProblem: (problem, exchange) => {
        problems.push([problem.kind, (problem.cause as Error).message, exchange?.head.target, exchange?.clientAddress]);
        return { status: 502 };
      },
    });
    const client = await fixture.client();
    client.send(get("/x"));
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 502 /);
    expect(problems).toEqual([["upstream_failed", "mine", "/x", "127.0.0.1"]]);
    expect(fixture.live).toBe(0);
  });

  const thrown = () => {
    throw new Error("mine");
  };
  it.each([
    ["head", { head: thrown }, 0],
    ["head, late", { head: thrown }, 1],
    ["onResponseHead", { onResponseHead: thrown }, 0],
    ["onResponseHead, late", { onResponseHead: thrown }, 1],
    ["no port", { upstream: { host: "127.0.0.1", port: 99_999 } }, 0],
    ["no port, late", { upstream: { host: "127.0.0.1", port: 99_999 } }, 1],
  ])("ends the request with 502 and nothing else where it fails in %s", async (_what, part, isLate) => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(ok("a"));
    const plan = { kind: "forward", upstream, ...part } as const;
    await fixture.open(() => (isLate ? Promise.resolve(plan) : plan));
    const client = await fixture.client();
    client.send(get());
    expect(await client.takeAll()).toMatch(/^HTTP\/1.1 502 /);
    expect(fixture.live).toBe(0);
  });

  it("changes heads: of the request, knowing whether it is the first on its connection, and of each response", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(`HTTP/1.1 103 Hm\r\n\r\n${ok("a")}`);
    await fixture.open(() => ({
      kind: "forward",
      upstream,
      head: (isFirst) => Buffer.from(`GET /${isFirst} HTTP/1.1\r\nHost: b\r\n\r\n`),
      onResponseHead: (head) => Buffer.from(`HTTP/1.1 ${head.status} X\r\nContent-Length: 1\r\n\r\n`),
    }));
    const client = await fixture.client();
    for (let round = 0; round < 2; round += 1) {
      client.send(get());
      expect(await client.takeUntil("\r\n\r\na")).toBe(
        "HTTP/1.1 103 X\r\nContent-Length: 1\r\n\r\nHTTP/1.1 200 X\r\nContent-Length: 1\r\n\r\na",
      );
    }
    expect(upstream.peers[0]?.text).toBe("GET /true HTTP/1.1\r\nHost: b\r\n\r\nGET /false HTTP/1.1\r\nHost: b\r\n\r\n");
  });

  it("sends requests of one connection to different upstreams, with one upstream connection at a time", async () => {
    await using fixture = new Fixture();
    const upstreams = { a: await fixture.answering(ok("from a")), b: await fixture.answering(ok("from b")) };
    await fixture.open(({ head }) => ({ kind: "forward", upstream: head.target === "/a" ? upstreams.a : upstreams.b }));
    const client = await fixture.client();
    for (const name of ["a", "b", "b", "a"]) {
      client.send(get(`/${name}`));
      await client.takeUntil(`from ${name}`);
    }
    expect([upstreams.a.peers.length, upstreams.b.peers.length]).toEqual([2, 1]);
    await until(
      () => upstreams.a.peers[0]?.ended === true && upstreams.b.peers[0]?.ended === true,
      "the others to be closed",
    );
  });

  it("a key of its own tells upstreams at one address apart", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.answering(ok("x"));
    await fixture.open(({ head }) => ({ kind: "forward", upstream: { ...upstream, key: head.target } }));
    const client = await fixture.client();
    for (const path of ["/a", "/a", "/b"]) {
      client.send(get(path));
      await client.takeUntil("\r\n\r\nx");
    }
    expect(upstream.peers).toHaveLength(2);
  });
});

describe("closing the relay", () => {
  it("ends every connection, and may be done twice", async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.raw());
    const clients: Peer[] = [];
    for (const sent of ["", "GET", get(), post("x")]) clients.push((await fixture.client()).send(sent));
    await until(() => fixture.live === 2, "two requests");
    await Promise.all([fixture.relay.close(), fixture.relay.close()]);
    await until(() => clients.every((client) => client.closed || client.ended), "the clients to be told");
    expect([fixture.live, fixture.relay.openConnections]).toEqual([0, 0]);
  });

  it("listening where somebody listens is refused", async () => {
    await using fixture = new Fixture();
    const { host, port } = await fixture.raw();
    await expect(
      (async () => {
        const { Relay } = await import("./relay.ts");
        await new Relay({ clock: fixture.clock, onRequest: () => Promise.reject() }).listen({ host, port });
      })(),
    ).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
