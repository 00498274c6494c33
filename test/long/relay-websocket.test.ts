import { once } from "node:events";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { openBothRelays } from "../support/both-relays.ts";
import { servers } from "../support/interop/programs.ts";
import { echoOf } from "../support/interop/websocket.ts";

test.each([
  ["as it is", false],
  ["compressed", true],
])(
  "a message of 64 MB goes through both relays and back, %s",
  { timeout: 300_000 },
  async (_how, perMessageDeflate) => {
    const { url } = await openBothRelays(await servers["node:http and ws"]());
    const socket = new WebSocket(`${url.replace("http:", "ws:")}/socket`, {
      perMessageDeflate,
      maxPayload: 100_000_000,
    });
    await once(socket, "open");
    const message = Buffer.alloc(64_000_000);
    for (let at = 0; at < message.length; at += 4) message.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);
    expect(await echoOf(socket, message)).toEqual({ isSame: true, isBinary: true, length: message.length });
    socket.terminate();
  },
);
