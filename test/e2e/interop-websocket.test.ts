// ws as client and as server, first directly and then through a gateway and a relay host: it has to be the same.
import { once } from "node:events";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { openBothRelays } from "../support/both-relays.ts";
import { servers } from "../support/interop/programs.ts";
import { echoOf } from "../support/interop/websocket.ts";

/** Those that RFC 6455 7.4 lets an endpoint send. */
const closeCodes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];

test("WebSockets are the same through both relays", { timeout: 60_000 }, async () => {
  const server = await servers["node:http and ws"]();
  const { url } = await openBothRelays(server);
  const direct = await askAll(`ws://127.0.0.1:${server.port}/socket`);
  const relayed = await askAll(`${url.replace("http:", "ws:")}/socket`);
  expect(relayed).toEqual(direct);
  expect(direct).toMatchObject({ echoes: expect.arrayContaining(["text 3", "binary 0"]), protocol: "second" });
});

async function askAll(url: string) {
  return {
    echoes: await echoes(url, { perMessageDeflate: false }),
    deflated: await echoes(url, { perMessageDeflate: { threshold: 0 } }),
    fragments: await fragments(url),
    pings: await pings(url),
    protocol: (await open(url, ["first", "second"])).protocol,
    byClient: await Promise.all(closeCodes.map((code) => closeByClient(url, code))),
    byServer: await Promise.all(closeCodes.map((code) => closeByServer(url, code))),
    withoutCode: await closeWithoutCode(url),
    cut: await cut(url),
    malformed: await malformed(url),
    refused: await refused(`${url}-not`),
  };
}

async function open(url: string, protocols: string[] = [], options = {}): Promise<WebSocket> {
  const socket = new WebSocket(url, protocols, options);
  socket.on("error", () => {});
  await once(socket, "open");
  return socket;
}

async function echoes(url: string, options: object): Promise<string[]> {
  const socket = await open(url, [], options);
  const results: string[] = [`extensions ${socket.extensions}`];
  for (const message of [
    "abc",
    "",
    "ä€𝄞",
    Buffer.alloc(0),
    Buffer.alloc(125),
    Buffer.alloc(126, 1),
    Buffer.alloc(65_536, 2),
  ]) {
    const { isSame, isBinary, length } = await echoOf(socket, message);
    if (isSame) results.push(`${isBinary ? "binary" : "text"} ${length}`);
  }
  const { isSame } = await echoOf(socket, Buffer.alloc(4 * 1024 * 1024, "0123456789"));
  results.push(`4 MiB ${isSame}`);
  socket.close();
  await once(socket, "close");
  return results;
}

async function fragments(url: string): Promise<string> {
  const socket = await open(url);
  socket.send("one ", { fin: false });
  socket.ping(); // may come between the parts of a message
  socket.send("two ", { fin: false });
  socket.send("three", { fin: true });
  const [data] = await once(socket, "message");
  socket.terminate();
  return String(data);
}

async function pings(url: string): Promise<string[]> {
  const socket = await open(url);
  const ping = once(socket, "ping");
  const answer = once(socket, "message");
  socket.send("ping me");
  const pong = once(socket, "pong");
  socket.ping("and you?");
  const results = [await ping, await answer, await pong].map(([data]) => String(data));
  socket.terminate();
  return results;
}

async function closeByClient(url: string, code: number): Promise<unknown[]> {
  const socket = await open(url);
  socket.close(code, `code ${code}`);
  const [got, reason] = await once(socket, "close");
  return [got, String(reason)];
}

async function closeByServer(url: string, code: number): Promise<unknown[]> {
  const socket = await open(url);
  socket.send(`close ${code} because`);
  const [got, reason] = await once(socket, "close");
  return [got, String(reason)];
}

async function closeWithoutCode(url: string): Promise<unknown[]> {
  const socket = await open(url);
  socket.close();
  const [code, reason] = await once(socket, "close");
  return [code, String(reason)];
}

/** The server breaks the connection off. */
async function cut(url: string): Promise<unknown> {
  const socket = await open(url);
  socket.send("cut");
  const [code] = await once(socket, "close");
  return code;
}

/** A frame that is not masked: the server has to fail the connection with 1002 (RFC 6455 5.1). */
async function malformed(url: string): Promise<unknown> {
  const socket = await open(url);
  socket.send("not masked", { mask: false });
  const [code] = await once(socket, "close");
  return code;
}

async function refused(url: string): Promise<unknown> {
  const socket = new WebSocket(url);
  socket.on("error", () => {});
  const [, response] = await once(socket, "unexpected-response");
  socket.terminate();
  return response.statusCode;
}
