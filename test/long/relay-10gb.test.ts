import { once } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { startVolume } from "../support/volume/server.ts";

const bytes = 10_000_000_000;
const timeout = 15 * 60_000;
/** What the buffers of two connections may grow by, and what a collector may leave lying about. */
const grownBytesMax = 64 * 1024 * 1024;
const megabytes = (count: number) => `${Math.round(count / 1e6)} MB`;

test("10 GB go down and up through gateway and relay host in constant memory", { timeout: 2 * timeout }, async () => {
  const volume = await startVolume();
  const { path } = volume;
  await download(volume.connect(), path, 500_000_000); // what is made once
  const before = volume.peakBytes();
  const down = await timed(() => download(volume.connect(), path, bytes));
  const up = await timed(() => upload(volume.connect(), path, bytes));
  const peak = volume.peakBytes();
  console.log(
    `10 GB down in ${down.seconds} s, up in ${up.seconds} s; peak of the server ${megabytes(before)} before, ${megabytes(peak)} then`,
  );
  expect([down.result, up.result]).toEqual([bytes, String(bytes)]);
  expect(peak - before).toBeLessThan(grownBytesMax);
});

async function timed<Result>(act: () => Promise<Result>): Promise<{ result: Result; seconds: number }> {
  const fromMs = performance.now();
  const result = await act();
  return { result, seconds: Math.round((performance.now() - fromMs) / 100) / 10 };
}

/** How many bytes of a body came. */
async function download(socket: Socket, path: string, count: number): Promise<number> {
  socket.write(`GET ${path}?bytes=${count} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
  let got = 0;
  let head = "";
  for await (const part of socket as AsyncIterable<Buffer>) {
    got += part.length;
    if (!head.includes("\r\n\r\n")) head += part.toString("latin1");
  }
  return got - (head.indexOf("\r\n\r\n") + 4);
}

/** How many bytes the program says that it got. */
async function upload(socket: Socket, path: string, count: number): Promise<string> {
  socket.write(`PUT ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: ${count}\r\n\r\n`);
  const part = Buffer.alloc(256 * 1024, "x");
  let answer = "";
  socket.on("data", (data) => {
    answer += data;
  });
  const ended = once(socket, "end");
  for (let left = count; left > 0; left -= part.length) {
    if (!socket.write(left < part.length ? part.subarray(0, left) : part)) await once(socket, "drain");
  }
  await ended;
  return answer.slice(answer.indexOf("\r\n\r\n") + 4);
}
