import { once } from "node:events";
import { expect, it } from "vitest";
import { Fixture, until } from "./fixture.ts";
import { reset } from "./reset.ts";
import { UpstreamSocket } from "./upstream-socket.ts";

it("a connection is closed whose end is on its way, behind bytes that nobody reads", async () => {
  await using fixture = new Fixture();
  const upstream = await fixture.raw((peer) => peer.socket.pause());
  const socket = new UpstreamSocket({ ...upstream, allowHalfOpen: true }, () => {});
  await once(socket, "connect");
  let isClosed = false;
  socket
    .on("error", () => {})
    .on("close", () => {
      isClosed = true;
    });
  socket.end(Buffer.alloc(16 * 1024 * 1024));
  await until(() => socket.writableLength > 0 && upstream.peers.length > 0, "what is not taken");
  reset(socket);
  await until(() => isClosed, "the socket to be closed");
  const [peer] = upstream.peers;
  peer?.socket.resume();
  await until(() => peer?.closed === true || peer?.ended === true, "the other side to be told");
  expect(peer?.receivedBytes).toBeLessThan(16 * 1024 * 1024);
});
