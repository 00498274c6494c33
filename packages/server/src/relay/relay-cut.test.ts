import { expect, it } from "vitest";
import { Fixture, get, ok, type Peer, post, until } from "./fixture.ts";
import type { Cut, Exchange, Plan, Upstream } from "./plan.ts";

/** A relay whose requests can be cut by whoever let them in. */
async function cuttable(fixture: Fixture, upstream: Upstream) {
  const open = new Set<Cut>();
  let opened = 0;
  await fixture.open((): Plan => ({ kind: "forward", upstream, onOpen: keep }));
  function keep(cut: Cut): () => void {
    opened += 1;
    open.add(cut);
    return () => {
      if (!open.delete(cut)) throw new Error("it was released before");
    };
  }
  return {
    open,
    opened: () => opened,
    cutAll: () => {
      for (const cut of [...open]) cut({ status: 401, body: "taken back" });
    },
  };
}

const untilLeft = (peer: Peer | undefined) => until(() => peer?.ended === true || peer?.closed === true, "its leaving");

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
const asking = get("/", "Connection: Upgrade\r\nUpgrade: x\r\n");

it.each([
  ["whose answer has not begun", get(), undefined],
  ["whose body is on its way", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", undefined],
  ["that got an interim response", get(), "HTTP/1.1 103 Early Hints\r\n\r\n"],
])("a request %s is answered", async (_what, request, interim) => {
  await using fixture = new Fixture();
  const upstream = await fixture.raw();
  const { open, cutAll } = await cuttable(fixture, upstream);
  const client = (await fixture.client()).send(request);
  await until(() => upstream.peers[0]?.text.includes("\r\n\r\n") === true, "the request");
  if (interim !== undefined) {
    upstream.peers[0]?.send(interim);
    await client.takeUntil(interim);
  }
  cutAll();
  expect(await client.takeAll()).toMatch(/^HTTP\/1\.1 401 .*taken back$/s);
  expect(open.size).toBe(0);
  expect(fixture.live).toBe(0);
  await untilLeft(upstream.peers[0]);
});

it.each([
  ["a download", get(), "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun", "begun"],
  ["a stream of events", get(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n", "begun"],
  ["an answer that ends with its connection", get(), "HTTP/1.1 200 OK\r\n\r\nbegun", "begun"],
  ["an upgraded connection", asking, `${switching}begun`, "begun"],
])("%s is broken off, and its upstream is left", async (_what, request, answer, begun) => {
  await using fixture = new Fixture();
  const upstream = await fixture.answering(answer);
  const { open, cutAll } = await cuttable(fixture, upstream);
  const client = (await fixture.client()).send(request);
  await client.takeUntil(begun);
  expect(open.size).toBe(1);
  cutAll();
  await client.untilClosed();
  expect(client.errorCode).toBe("ECONNRESET");
  expect(open.size).toBe(0);
  expect(fixture.live).toBe(0);
  await untilLeft(upstream.peers[0]);
});

it("an upgraded connection whose client has half-closed can still be cut", async () => {
  await using fixture = new Fixture();
  const upstream = await fixture.answering(switching);
  const { open, cutAll } = await cuttable(fixture, upstream);
  const client = (await fixture.client()).send(asking);
  await client.takeUntil(switching);
  client.end();
  await until(() => upstream.peers[0]?.ended === true, "the end to be passed on");
  expect(open.size).toBe(1);
  cutAll();
  await client.untilClosed();
  expect(open.size).toBe(0);
});

it("is told once when each request of a kept-alive connection is over, and can cut none of those", async () => {
  await using fixture = new Fixture();
  const upstream = await fixture.answering(ok("hello"));
  const { open, opened, cutAll } = await cuttable(fixture, upstream);
  const client = await fixture.client();
  for (let count = 1; count <= 100; count += 1) {
    client.send(count % 2 === 0 ? get() : post("abc"));
    await client.takeUntil("hello");
    await until(() => open.size === 0, "it to be over");
    expect(opened()).toBe(count);
    cutAll();
  }
  expect(client.ended || client.closed).toBe(false);
});

it("is told when a try has failed, when the client has gone, and when nobody is there", async () => {
  await using fixture = new Fixture();
  const dead = await cuttable(fixture, await fixture.deadPort());
  const refused = (await fixture.client()).send(get());
  expect(await refused.takeAll()).toMatch(/^HTTP\/1\.1 502 /);
  expect(dead.opened()).toBe(3); // tried again twice
  expect(dead.open.size).toBe(0);

  await using other = new Fixture();
  const silent = await cuttable(other, await other.raw());
  const client = (await other.client()).send(get());
  await until(() => silent.open.size === 1, "the request");
  client.reset();
  await until(() => silent.open.size === 0, "the client to be gone");
});

it("a request can be cut at the moment at which it is let in: nobody is connected to then", async () => {
  await using fixture = new Fixture();
  const upstream = await fixture.raw();
  let released = 0;
  const cutAtOnce = (cut: Cut) => {
    cut({ status: 401 });
    return () => {
      released += 1;
    };
  };
  const plan: Plan = { kind: "forward", upstream, onOpen: cutAtOnce };
  await fixture.open((exchange: Exchange) => (exchange.head.target === "/late" ? Promise.resolve(plan) : plan));
  for (const path of ["/", "/late"]) {
    const client = (await fixture.client()).send(get(path));
    expect(await client.takeAll()).toMatch(/^HTTP\/1\.1 401 /);
  }
  expect(released).toBe(2);
  expect(upstream.peers).toHaveLength(0);
});
