import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { errorIn, startApi } from "./fixture.ts";

test("a connection within the process is served like any other, until the API closes", async () => {
  const api = await startApi();
  const socket = api.openConnection();
  let received = "";
  socket.on("data", (bytes) => {
    received += bytes;
  });
  for (const count of [1, 2]) {
    socket.write("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
    await expect.poll(() => received.match(/HTTP\/1.1 200 /g)).toHaveLength(count);
  }
  const ended = once(socket, "end");
  await api.close();
  await ended;
  expect(await text(api.openConnection())).toBe("");
});

test("an upload that is refused over it is read away, and its answer arrives", async () => {
  const { openConnection } = await startApi({ bodyBytesMax: 100 });
  const socket = openConnection();
  const bytes = 3_000_000;
  socket.write(`POST /spawn HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`);
  socket.end(Buffer.alloc(bytes, " "));
  expect(errorIn(await text(socket))).toMatchObject({ status: 413, code: "body_too_large" });
});

test("what is no HTTP is told so over it, and the connection ends", async () => {
  const { openConnection } = await startApi();
  const socket = openConnection();
  socket.write("GET\r\n\r\n");
  expect(errorIn(await text(socket))).toMatchObject({ status: 400, code: "invalid_request" });
});
