import { describe, expect, it } from "vitest";
import { Fixture, get, ok, settle, until } from "./fixture.ts";

const switching = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
const upgrade = get("/", "Connection: upgrade\r\nUpgrade: x\r\n");

/** A relay with upgraded connections, that is drained. */
async function draining(fixture: Fixture, count: number, options: { mostMs: number; spreadMs: number }) {
  const upstream = await fixture.raw((peer) => peer.send(switching).socket.on("end", () => peer.socket.end()));
  const relay = await fixture.open(upstream);
  const peers = await Promise.all(Array.from({ length: count }, () => fixture.client()));
  for (const peer of peers) await peer.send(upgrade).takeUntil(switching);
  const hurry = new AbortController();
  const state = { isOver: false };
  void relay.drain({ ...options, signal: hurry.signal }).then(() => {
    state.isOver = true;
  });
  /** Time goes on as the waits are begun. */
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 100) await fixture.pass(100);
  };
  return { relay, peers, state, pass, hurry: () => hurry.abort() };
}

describe("a relay that is drained", () => {
  it("takes no connection, and is done as soon as the last one is over", async () => {
    await using fixture = new Fixture();
    const { relay, peers, state, pass } = await draining(fixture, 2, { mostMs: 60_000, spreadMs: 1_000 });
    await expect(fixture.client()).rejects.toThrow();
    peers[0]?.socket.destroy();
    await pass(1_000);
    expect([state.isOver, relay.openConnections]).toEqual([false, 1]);
    peers[1]?.socket.destroy();
    await until(() => relay.openConnections === 0, "the last connection to be over");
    await pass(100);
    expect(state.isOver).toBe(true);
  });

  it("lets what was asked be answered, and closes what is idle at once", async () => {
    await using fixture = new Fixture();
    const upstream = await fixture.raw();
    const relay = await fixture.open(upstream);
    const [idle, asking] = [await fixture.client(), (await fixture.client()).send(get())];
    await until(() => upstream.peers.length === 1, "the request");
    void relay.drain({ mostMs: 60_000, spreadMs: 0, signal: new AbortController().signal });
    expect(await idle.takeAll()).toBe("");
    upstream.peers[0]?.send(ok("an answer"));
    expect(await asking.takeAll()).toBe(ok("an answer"));
  });

  it("closes what is left when the time is over: one after the other", async () => {
    await using fixture = new Fixture();
    const { relay, state, pass } = await draining(fixture, 4, { mostMs: 1_000, spreadMs: 800 });
    await pass(900);
    expect(relay.openConnections).toBe(4);
    const open: number[] = [];
    for (let quarter = 0; quarter < 4; quarter += 1) {
      await pass(200);
      open.push(relay.openConnections);
    }
    expect(open).toEqual([3, 2, 1, 0]);
    await pass(200);
    expect(state.isOver).toBe(true);
  });

  it("waits for nothing any more when it is told to hurry", async () => {
    await using fixture = new Fixture();
    const { state, hurry } = await draining(fixture, 2, { mostMs: 60_000, spreadMs: 60_000 });
    hurry();
    await settle();
    expect(state.isOver).toBe(true);
  });
});
