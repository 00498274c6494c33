import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { adopt } from "./client-socket.ts";

/** A connection as its client has it, as the server adopts it, and all that the server reads from it. */
async function open({ isAsExpected = true } = {}) {
  const read: Buffer[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const accepting = once(server, "connection") as Promise<[Socket]>;
  await once(server.listen(0, "127.0.0.1"), "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [accepted] = await accepting;
  if (!isAsExpected) Object.assign((accepted as Socket & { _handle: object })._handle, { useUserBuffer: undefined });
  const socket = adopt(accepted, (bytes) => void read.push(bytes));
  onTestFinished(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  return { client, accepted, socket, server, text: () => String(Buffer.concat(read)) };
}

const small = "a small message";
const large = "0123456789abcdef".repeat(100_000);
/** More than the system takes for both sides of a connection. */
const tooLarge = large.repeat(20);

test.each([
  ["by a buffer of ours", true],
  ["by data events, where Node is not as expected", false],
])("what an adopted connection receives stays as it came: %s", async (_how, isAsExpected) => {
  const { client, accepted, socket, text } = await open({ isAsExpected });
  expect(socket === accepted).toBe(!isAsExpected);
  client.end(small + large + small);
  await once(socket, "end");
  expect(text()).toBe(small + large + small);
});

test("two connections that share a buffer keep what each has received", async () => {
  const [one, other] = await Promise.all([open(), open()]);
  for (let turn = 0; turn < 50; turn += 1) {
    one.client.write(`${turn};`);
    other.client.write(`${-turn};`);
  }
  one.client.end();
  other.client.end();
  await Promise.all([once(one.socket, "end"), once(other.socket, "end")]);
  const turns = Array.from({ length: 50 }, (_, turn) => turn);
  expect(one.text()).toBe(turns.map((turn) => `${turn};`).join(""));
  expect(other.text()).toBe(turns.map((turn) => `${-turn};`).join(""));
});

test("a paused one is not read from, and goes on where it was", async () => {
  const { client, socket, text } = await open();
  client.write(small);
  await expect.poll(text).toBe(small);
  socket.pause();
  client.end(tooLarge);
  await expect.poll(() => client.writableLength).toBeGreaterThan(0);
  expect(text()).toBe(small);
  socket.resume();
  await once(socket, "end");
  expect(text() === small + tooLarge).toBe(true);
});

test("an adopted connection outlives the server, and the socket that it came in", async () => {
  const { client, server, socket, text } = await open();
  const closed = once(server, "close");
  server.close();
  await closed;
  client.end(small);
  await once(socket, "end");
  expect(text()).toBe(small);
  socket.end(small);
  const [bytes] = (await once(client, "data")) as [Buffer];
  expect(String(bytes)).toBe(small);
});
