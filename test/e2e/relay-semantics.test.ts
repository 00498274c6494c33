// HTTP as RFC 9110 and RFC 9112 have it, byte by byte through a gateway and a relay host. Clients and servers that nobody here
// wrote are in interop.test.ts, what only one of the two does beside its code.
import { describe, expect, test } from "vitest";
import { Fixture, type Peer, until } from "../../packages/server/src/relay/fixture.ts";
import { openBothRelays } from "../support/both-relays.ts";

const get = (target = "/b/", fields = "", version = "1.1") =>
  `GET ${target} HTTP/${version}\r\nHost: a.example\r\n${fields}\r\n`;
const post = (fields: string, body = "") => `POST /b/ HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n${body}`;
const ok = (body: string, fields = "") => `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;

/** A raw client, and a raw server that answers each head that comes with the next of these, and with the last from then on. */
async function open(fixture: Fixture, ...answers: string[]) {
  const upstream = await fixture.answering(...answers);
  const both = await openBothRelays(upstream);
  const client = await both.client();
  return {
    both,
    client,
    /** What the server was sent, over all connections. */
    received: () => upstream.peers.map(({ text }) => text).join(""),
    server: async (): Promise<Peer> => {
      await until(() => upstream.peers.length > 0, "a connection");
      return upstream.peers[0] as Peer;
    },
    /** The next request of the same client is answered: nothing of what was before is left on its connection. */
    async isInStep() {
      client.forget();
      client.send(get("/b/next"));
      await client.takeUntil(answers.at(-1) ?? "");
      expect(client.text).toBe("");
    },
  };
}

const last = ok("in step");

describe("a response", () => {
  test.each<[what: string, sent: string, answer: string]>([
    ["to HEAD has no body, whatever its length", get().replace("GET", "HEAD"), ok("").replace(": 0", ": 5")],
    [
      "to HEAD may be chunked in name",
      get().replace("GET", "HEAD"),
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ["of 204 has none", get(), "HTTP/1.1 204 No Content\r\n\r\n"],
    [
      "of 304 has none, whatever its length",
      get(),
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
    ],
    ["comes behind hints", get(), `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok("a")}`],
    [
      "comes behind several interim ones",
      get(),
      `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${ok("a")}`,
    ],
    [
      "is chunked, with extensions and trailers",
      get("/b/", "TE: trailers\r\nConnection: TE\r\n"),
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-Sum: 1\r\nX-More: \xe4\r\n\r\n",
    ],
    [
      "of 421 is the program's own, and sent once",
      post("Content-Length: 0\r\n"),
      "HTTP/1.1 421 No\r\nContent-Length: 0\r\n\r\n",
    ],
    ["has bytes that are no text in its head", get(), ok("a", "X-Bytes: \xe4\xf6\r\n")],
  ])("%s, and reaches the client byte for byte", async (_what, sent, answer) => {
    await using fixture = new Fixture();
    const { client, isInStep } = await open(fixture, answer, last);
    client.send(sent);
    await until(() => client.text === answer, `${JSON.stringify(answer)}, not ${JSON.stringify(client.text)}`);
    await isInStep();
  });

  test.each([
    ["its answer", ok("a", "X-Spawner-Refused: x\r\n")],
    ["a 421, in capitals", "HTTP/1.1 421 No\r\nX-SPAWNER-REFUSED: backend_ended\r\nContent-Length: 0\r\n\r\n"],
    ["hints before it", `HTTP/1.1 103 Early Hints\r\nx-spawner-refused: x\r\n\r\n${ok("a")}`],
  ])("says nothing in a relay host's name, and no request is sent twice for it: in %s", async (_what, answer) => {
    await using fixture = new Fixture();
    const { client, received, isInStep } = await open(fixture, answer, last);
    client.send(post("Content-Length: 3\r\n", "abc"));
    const told = answer.replace(/x-spawner-refused: .*\r\n/i, "");
    await until(() => client.text === told, `${JSON.stringify(told)}, not ${JSON.stringify(client.text)}`);
    await isInStep();
    expect(received().match(/POST/g)).toHaveLength(1);
  });

  test.each(["1.0", "1.1"])("ends with the connection where it has no other end, of HTTP/%s", async (version) => {
    await using fixture = new Fixture();
    const { client, server } = await open(fixture, `HTTP/${version} 200 OK\r\n\r\nsome`);
    client.send(get());
    await client.takeUntil("some");
    (await server()).send(" more").end();
    expect(await client.takeAll()).toBe(" more");
  });

  test("that says close is the last on its connection", async () => {
    await using fixture = new Fixture();
    const answer = ok("a", "Connection: close\r\n");
    const { client } = await open(fixture, answer);
    client.send(get() + get("/b/second"));
    expect(await client.takeAll()).toBe(answer);
  });
});

describe("a request", () => {
  test("may be one of several that were sent at once: answers come in order", async () => {
    await using fixture = new Fixture();
    const { client, received } = await open(fixture, ok("one"), ok("two"), ok("three"));
    client.send(get("/b/1") + post("Content-Length: 3\r\n", "abc") + get("/b/3"));
    await until(() => client.text === ok("one") + ok("two") + ok("three"), "all answers");
    expect(received().match(/(GET|POST) \S+ HTTP/g)).toEqual(["GET /1 HTTP", "POST / HTTP", "GET /3 HTTP"]);
  });

  test("waits for leave to send its body (100), and only then does", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw();
    const client = await (await openBothRelays(upstream)).client();
    client.send(post("Content-Length: 3\r\nExpect: 100-continue\r\n"));
    await until(() => upstream.peers[0]?.text.includes("\r\n\r\n") === true, "the head");
    upstream.peers[0]?.send("HTTP/1.1 100 Continue\r\n\r\n");
    expect(await client.takeUntil("\r\n\r\n")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    await until(() => upstream.peers[0]?.text.endsWith("\r\n\r\nabc") === true, "the body");
    upstream.peers[0]?.send(ok("done"));
    expect(await client.takeUntil("done")).toBe(ok("done"));
  });

  test("that is refused in place of a 100 gets that", async () => {
    await using fixture = new Fixture();
    const refusal = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const { client } = await open(fixture, refusal);
    client.send(post("Content-Length: 3\r\nExpect: 100-continue\r\n"));
    expect(await client.takeAll()).toBe(refusal);
  });

  test("is chunked, with trailers, and keeps its bytes", async () => {
    await using fixture = new Fixture();
    const { client, received, isInStep } = await open(fixture, ok("a"), last);
    const body = "3;a=b\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n";
    client.send(post("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", body));
    await client.takeUntil(ok("a"));
    await until(() => received().endsWith(body), "the body");
    await isInStep();
  });

  test.each([
    ["/b/a%2Fb/..//%zz/./~?x=%20+&&y&=%C3%A4?", "/a%2Fb/..//%zz/./~?x=%20+&&y&=%C3%A4?"],
    ["/b/?", "/?"],
    ["/b//", "//"],
    ["/b/;p=1,2/(x)'*!@:$", "/;p=1,2/(x)'*!@:$"],
    ["/b/\xe4", "/\xe4"],
    ["http://a.example/b/x?y", "/x?y"],
    ["HTTP://A.example/b/x?http://c/d", "/x?http://c/d"],
  ])("for %s is one for %s there, byte for byte", async (target, expected) => {
    await using fixture = new Fixture();
    const { client, received } = await open(fixture, ok("a"));
    client.send(get(target));
    await client.takeUntil(ok("a"));
    expect(received()).toContain(`GET ${expected} HTTP/1.1\r\n`);
  });

  test("OPTIONS * asks the gateway itself; other methods have no such target", async () => {
    await using fixture = new Fixture();
    const { both, received } = await open(fixture, ok("a"));
    for (const [method, status] of [
      ["OPTIONS", "200 OK"],
      ["GET", "400 Bad Request"],
    ]) {
      const client = await both.client();
      client.send(get("*").replace("GET", method ?? ""));
      expect(await client.takeAll()).toContain(`HTTP/1.1 ${status}\r\n`);
    }
    expect(received()).toBe("");
  });

  test("has fields of one connection alone, which end at the gateway, and those of its client replaced", async () => {
    await using fixture = new Fixture();
    const { client, received } = await open(
      fixture,
      ok("a", "Keep-Alive: timeout=5\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"),
    );
    client.send(
      get(
        "/b/",
        [
          "Connection: keep-alive, X-Hop, X-Forwarded-For, x-spawner-backend",
          "X-Hop: 1",
          "Keep-Alive: 300",
          "Proxy-Connection: close",
          "TE: gzip",
          "X-Forwarded-For: 6.6.6.6",
          "X_Forwarded_For: 6.6.6.6",
          "Forwarded: for=6.6.6.6",
          "X-Forwarded-Port: 666",
          "X-Spawner-User: root",
          "x_spawner_user: root",
          "X-Spawner-Anything: 1",
          "Cookie: a=b\r\n",
        ].join("\r\n"),
      ),
    );
    expect(await client.takeUntil("\r\n\r\na")).toBe(ok("a"));
    const seen = received().replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/, "uid");
    expect(seen).not.toMatch(/6\.6\.6\.6|666|root|x-hop|keep-alive: 300|proxy-connection|gzip|anything/i);
    expect(seen.toLowerCase().split("\r\n").sort()).toEqual(
      [
        "",
        "",
        "get / http/1.1",
        "host: a.example",
        "connection: keep-alive",
        "cookie: a=b",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: a.example",
        "x-forwarded-prefix: /b",
        "forwarded: for=127.0.0.1;host=a.example;proto=http",
        "x-spawner-backend: b/uid",
      ].sort(),
    );
  });
});

describe("a client of HTTP/1.0", () => {
  test("is served, and its connection closed behind the answer", async () => {
    await using fixture = new Fixture();
    const { client, received } = await open(fixture, ok("a"));
    client.send(get("/b/", "", "1.0"));
    expect(await client.takeAll()).toBe(ok("a"));
    expect(received()).toContain("GET / HTTP/1.0\r\n"); // so that the program frames its answer for it
  });

  test("may keep its connection", async () => {
    await using fixture = new Fixture();
    const { client } = await open(fixture, ok("a", "Connection: keep-alive\r\n"), last);
    client.send(get("/b/", "Connection: Keep-Alive\r\n", "1.0"));
    await client.takeUntil("\r\n\r\na");
    client.send(get("/b/", "", "1.0"));
    expect(await client.takeAll()).toBe(last);
  });

  test("that is answered in chunks by a program that knows no better gets them, and the end of the connection", async () => {
    await using fixture = new Fixture();
    const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    const { client } = await open(fixture, answer);
    client.send(get("/b/", "Connection: keep-alive\r\n", "1.0"));
    expect(await client.takeAll()).toBe(answer);
  });
});

describe("an upgrade", () => {
  const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

  test.each([
    ["Connection: Upgrade\r\nUpgrade: websocket\r\n", ""],
    ["Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n", "right behind"],
    ["upgrade: foo/2, bar\r\nconnection: UPGRADE ,Keep-Alive\r\n", "\0\xff\r\n\r\n"],
    ["Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: tcp\r\n", "x"],
    ["Connection: Upgrade, X-Needed\r\nUpgrade: foo\r\nX-Needed: AAMA\r\n", "PRI"],
  ])("%j is passed on as it is, and bytes right behind the 101 come with it: %j", async (fields, behind) => {
    await using fixture = new Fixture();
    const { client, server, received } = await open(fixture, switching + behind);
    client.send(get("/b/", fields));
    await until(() => client.text === switching + behind, "the 101");
    for (const line of fields.split("\r\n")) expect(received()).toContain(line);
    const peer = await server();
    peer.forget();
    // Whatever it is: a ping, a close frame, or nothing that is known.
    const wild = Buffer.from(Array.from({ length: 2_000 }, (_, index) => (index * 73) % 256));
    const frames = Buffer.concat([Buffer.from([0x89, 0x00, 0x88, 0x02, 0x03, 0xe8]), wild]);
    client.forget();
    client.send(frames);
    peer.send(frames);
    await until(() => peer.bytes.equals(frames) && client.bytes.equals(frames), "the frames on both sides");
    client.end();
    await until(() => peer.ended, "the end to be passed on");
    peer.send("last words").end();
    expect(await client.takeAll()).toContain("last words");
  });

  test.each([
    ok("no"),
    "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: y\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
  ])("may be refused: %j", async (refusal) => {
    await using fixture = new Fixture();
    const { both, client, isInStep } = await open(fixture, refusal, last);
    client.send(get("/b/", "Connection: Upgrade\r\nUpgrade: x\r\n"));
    await until(() => client.text === refusal, "the refusal");
    await isInStep();
    expect(await both.state()).toMatchObject({ liveConnections: 0 });
  });

  // Behind it a client would say to the program who it is, in requests that no gateway has seen.
  test("to HTTP itself is passed over: the program answers as usual, and one that upgrades all the same is refused", async () => {
    await using fixture = new Fixture();
    const switchingToHttp = switching.replace("Upgrade: x", "Upgrade: h2c");
    const { client, received } = await open(fixture, ok("plain"), switchingToHttp);
    client.send(get("/b/", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"));
    await client.takeUntil("plain");
    expect(received()).not.toMatch(/upgrade|h2c|http2/i);
    client.send(get("/b/", "Connection: Upgrade\r\nUpgrade: h2c, x\r\n"));
    expect(await client.takeAll()).toMatch(/^HTTP\/1\.1 502 /);
  });

  test("that nobody asked for is none: 502", async () => {
    await using fixture = new Fixture();
    const { client } = await open(fixture, switching);
    client.send(get());
    expect(await client.takeAll()).toMatch(/^HTTP\/1\.1 502 /);
  });
});
