import { describe, expect, it } from "vitest";
import { Fixture, get, settle, until } from "./fixture.ts";

const upgrade = "Connection: upgrade\r\nUpgrade: x\r\n";

/** A client in the middle of what has no end. */
async function startEndless(fixture: Fixture, fields: string, head: string) {
  const upstream = { ...(await fixture.raw()), takesHalfClose: true };
  await fixture.open(upstream);
  const client = await fixture.client();
  client.send(get("/", fields));
  await until(() => upstream.peers[0]?.text.includes("\r\n\r\n") === true, "the request");
  const [peer] = upstream.peers;
  if (peer === undefined) throw new Error("nobody is connected");
  peer.send(head);
  await client.takeUntil("\r\n\r\n");
  await fixture.pass(1_000);
  return { client, peer };
}

describe.each([
  ["a response", "", "HTTP/1.1 200 OK\r\n\r\n"],
  ["a tunnel", upgrade, `HTTP/1.1 101 Switching Protocols\r\n${upgrade}\r\n`],
])("who ends its side of %s", (_what, fields, head) => {
  it("and has gone was last there when it did, whatever was sent to it since", async () => {
    await using fixture = new Fixture();
    const { client, peer } = await startEndless(fixture, fields, head);
    client.socket.destroy();
    await until(() => fixture.live === 0, "its end");
    const leftMs = fixture.clock.monotonicMs();
    await fixture.pass(3_000);
    peer.send("an event");
    await until(() => fixture.activity.lastActiveMs === leftMs + 3_000, "the event, which it may have read");
    await fixture.pass(500);
    await until(() => fixture.activity.lastActiveMs === leftMs, "what was taken for a sign of life to be taken back");
    peer.send("another"); // fails where the upstream was told: its system has had a reset
    await until(() => peer.errorCode !== undefined, "the upstream to be told");
  });

  it("and reads on is there as long as it is sent something", async () => {
    await using fixture = new Fixture();
    const { client, peer } = await startEndless(fixture, fields, head);
    client.end();
    await until(() => fixture.live === 0, "its end");
    await fixture.pass(3_000);
    const sentMs = fixture.clock.monotonicMs();
    peer.send("an event");
    await client.takeUntil("an event");
    await fixture.pass(2_000);
    await settle();
    expect(fixture.activity.lastActiveMs).toBe(sentMs);
  });
});
