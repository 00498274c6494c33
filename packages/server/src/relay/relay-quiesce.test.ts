import { describe, expect, it } from "vitest";
import { Fixture, get, ok, type Peer, settle, until } from "./fixture.ts";

const switching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

/** A relay whose upstream answers when told to, and whether it has come to rest. */
async function quiescing(fixture: Fixture, clients: readonly string[]) {
  const upstream = await fixture.raw();
  const relay = await fixture.open(upstream);
  const peers: Peer[] = [];
  for (const text of clients) peers.push((await fixture.client()).send(text));
  const requests = clients.filter((text) => text.includes("\r\n\r\n")).length;
  await until(() => upstream.peers.filter((peer) => peer.receivedBytes > 0).length === requests, "the requests");
  const begin = () => {
    const state = { isOver: false };
    void relay.quiesce({ mostMs: 2_000 }).then(() => {
      state.isOver = true;
    });
    return state;
  };
  return { upstream, peers, begin };
}

describe("a relay that is to end", () => {
  it("lets a request be answered, and ends its connection then", async () => {
    await using fixture = new Fixture();
    const { upstream, peers, begin } = await quiescing(fixture, [get()]);
    const state = begin();
    await fixture.pass(1_000);
    expect(state.isOver).toBe(false);
    upstream.peers[0]?.send(ok("an answer"));
    expect(await peers[0]?.takeAll()).toBe(ok("an answer"));
    await fixture.pass(20);
    expect(state.isOver).toBe(true);
  });

  it("takes no more connections", async () => {
    await using fixture = new Fixture();
    const { begin } = await quiescing(fixture, []);
    const state = begin();
    await settle();
    expect(state.isOver).toBe(true);
    await expect(fixture.client()).rejects.toThrow();
  });

  it("ends connections with nothing in flight at once, and takes no further request on the others", async () => {
    await using fixture = new Fixture();
    const { upstream, peers, begin } = await quiescing(fixture, ["", get("/1") + get("/2")]);
    begin();
    expect(await peers[0]?.takeAll()).toBe("");
    upstream.peers[0]?.send(ok("1"));
    expect(await peers[1]?.takeAll()).toBe(ok("1"));
    expect(upstream.peers[0]?.text).toBe(get("/1"));
  });

  it("does not wait for upgraded connections, which go on until it is closed", async () => {
    await using fixture = new Fixture();
    const { upstream, peers, begin } = await quiescing(fixture, [get("/", "Connection: upgrade\r\nUpgrade: x\r\n")]);
    upstream.peers[0]?.send(switching);
    await peers[0]?.takeUntil(switching);
    const state = begin();
    await settle();
    expect(state.isOver).toBe(true);
    upstream.peers[0]?.send("still there");
    expect(await peers[0]?.takeUntil("still there")).toBe("still there");
    await fixture.relay.close();
    await peers[0]?.takeAll();
  });

  it("waits no longer than it was told", async () => {
    await using fixture = new Fixture();
    const { begin } = await quiescing(fixture, [get()]);
    const state = begin();
    for (let step = 0; step < 99; step += 1) await lookOnce(fixture);
    expect(state.isOver).toBe(false);
    for (let step = 0; step < 2; step += 1) await lookOnce(fixture);
    expect(state.isOver).toBe(true);
  });
});

/** One look at whether all is answered. */
async function lookOnce(fixture: Fixture): Promise<void> {
  fixture.clock.advance(20);
  await new Promise((resolve) => setImmediate(resolve));
}
