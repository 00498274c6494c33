import { connect, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { eventually, startEmbedded, type TestSpawner } from "../support/embedded.ts";

/** Long enough for a grace period of 1 s to pass twice, and the sweeper with it. */
const wellOverGraceMs = 2_500;

async function expectStillReady(spawner: TestSpawner, id: string) {
  await new Promise((resolve) => setTimeout(resolve, wellOverGraceMs));
  expect((await spawner.backend(id)).state).toBe("Ready");
  expect(await spawner.processesOf(id)).not.toEqual([]);
}

/** Swept for idleness within a second of the grace period's end, and no process a second after that. */
async function expectSweptSoon(spawner: TestSpawner, id: string, graceSeconds = 1) {
  const leftAtMs = performance.now();
  const swept = await spawner.until(id, "Swept");
  expect(swept.reason).toBe("Idle");
  const afterMs = performance.now() - leftAtMs;
  expect(afterMs).toBeGreaterThan(graceSeconds * 1000 - 150);
  expect(afterMs).toBeLessThan(graceSeconds * 1000 + 1_000);
  await eventually("no process is left", async () => (await spawner.processesOf(id)).length === 0, 1_000);
}

/** A raw request to a backend, through the gateway. */
function request(spawner: TestSpawner, text: string): Socket {
  const socket = connect({ host: "127.0.0.1", port: spawner.port, allowHalfOpen: true });
  socket.on("error", () => {}); // the end of the test, or what it is about
  socket.write(text);
  onTestFinished(() => void socket.destroy());
  return socket;
}

async function firstBytes(socket: Socket): Promise<string> {
  return new Promise((resolve) => socket.once("data", (bytes) => resolve(String(bytes))));
}

describe("a backend in use is not swept", () => {
  test("with an open WebSocket, even a silent one; once it has closed, the backend is swept", async () => {
    const spawner = await startEmbedded();
    const { name: id, url } = await spawner.spawn();
    const socket = new WebSocket(url.replace("http", "ws"));
    await new Promise((resolve) => socket.on("open", resolve));
    await expectStillReady(spawner, id);
    socket.close();
    await new Promise((resolve) => socket.on("close", resolve));
    await expectSweptSoon(spawner, id);
  });

  test("with an unfinished response: server-sent events, a long poll, a slow download", async () => {
    const spawner = await startEmbedded();
    const left = ["events", "poll", "download?kilobytes=1000"].map(async (path) => {
      const { name: id } = await spawner.spawn();
      const client = request(spawner, `GET /${id}/${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
      await spawner.until(id, "Ready");
      await expectStillReady(spawner, id);
      client.destroy();
      await expectSweptSoon(spawner, id);
    });
    await Promise.all(left);
  });

  test("with a download until its last byte", async () => {
    const spawner = await startEmbedded();
    const { name: id, url } = await spawner.spawn();
    const response = await fetch(`${url}download?kilobytes=25`);
    expect((await response.arrayBuffer()).byteLength).toBe(25 * 1024);
    expect((await spawner.backend(id)).state).toBe("Ready");
    await expectSweptSoon(spawner, id);
  });

  test("with an unfinished upload", async () => {
    const spawner = await startEmbedded();
    const { name: id } = await spawner.spawn();
    const head = `POST /${id}/upload HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 10\r\n\r\n`;
    const client = request(spawner, `${head}half`);
    await spawner.until(id, "Ready");
    await expectStillReady(spawner, id);
    client.write("a body");
    expect(await firstBytes(client)).toContain("thanks");
    await expectSweptSoon(spawner, id);
  });

  test("while requests come again and again, and each restarts the clock", async () => {
    const spawner = await startEmbedded();
    const { name: id, url } = await spawner.spawn();
    for (let i = 0; i < 6; i++) {
      expect((await fetch(url)).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect((await spawner.backend(id)).state).toBe("Ready");
  });
});

describe("a backend that nobody uses is swept", () => {
  test("when it never had a client, after the time for a first one", async () => {
    const spawner = await startEmbedded();
    const { name: id } = await spawner.spawn({ firstClientSeconds: 2 });
    await spawner.until(id, "Ready");
    await expectSweptSoon(spawner, id, 2);
  });

  test("though a browser keeps its connection open, with nothing in flight", async () => {
    const spawner = await startEmbedded();
    const { name: id } = await spawner.spawn();
    const client = request(spawner, `GET /${id}/ HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
    expect(await firstBytes(client)).toContain("200 OK");
    await expectSweptSoon(spawner, id);
    expect(client.readyState).toBe("open");
  });

  test("though its program keeps its half of a connection open whose client has gone", async () => {
    const spawner = await startEmbedded();
    const { name: id } = await spawner.spawn();
    const upgrade = `GET /${id}/half-open HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n`;
    const client = request(spawner, upgrade);
    expect(await firstBytes(client)).toContain("101 Switching Protocols");
    client.end();
    await expectSweptSoon(spawner, id);
  });
});

test("Firefox's `Connection: keep-alive, Upgrade` is an upgrade", async () => {
  const spawner = await startEmbedded();
  const { url } = await spawner.spawn();
  const socket = new WebSocket(url.replace("http", "ws"), { headers: { connection: "keep-alive, Upgrade" } });
  onTestFinished(() => socket.terminate());
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  socket.send("hello");
  expect(String(await new Promise((resolve) => socket.on("message", resolve)))).toBe("hello");
});
