import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import type { RelayHostState } from "../core/relay-host.ts";
import { systemClock } from "../lib/clock.ts";
import { isLegacyEvents } from "./legacy-events.ts";
import { BackendRelayHost, type RelayHostConfig } from "./relay-host.ts";

async function open(overrides: Partial<RelayHostConfig> = {}) {
  const relayHost = await BackendRelayHost.open(
    {
      host: "127.0.0.1",
      port: 0,
      gracePeriodSeconds: 60,
      firstClientSeconds: 60,
      eventsOnServePort: true,
      ...overrides,
    },
    { clock: systemClock },
  );
  onTestFinished(() => relayHost.close());
  return relayHost;
}

/** What the serve port sends, one string a read. */
function read(relayHost: BackendRelayHost, target = "/_events") {
  const socket = connect({ host: "127.0.0.1", port: relayHost.port });
  onTestFinished(() => void socket.destroy());
  const reads: string[] = [];
  socket.setEncoding("latin1").on("data", (text: string) => reads.push(text));
  socket.write(`GET ${target} HTTP/1.1\r\nhost: a\r\n\r\n`);
  return reads;
}

/** A program that upgrades every connection. */
async function startProgram() {
  const { createServer } = await import("node:net");
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  return { host: "127.0.0.1", port };
}

async function upgrade(relayHost: BackendRelayHost) {
  const socket = connect({ host: "127.0.0.1", port: relayHost.port });
  onTestFinished(() => void socket.destroy());
  socket.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
  await new Promise((resolve) => socket.once("data", resolve));
  return socket;
}

test("the serve port says every state in the very bytes of 0.1.9, one event a chunk, each in one write", async () => {
  const relayHost = await open();
  const program = await startProgram();
  const reads = read(relayHost);
  await vi.waitFor(() => expect(reads).toHaveLength(1));
  expect(reads[0]?.replace(/date: [^\r]+/, "date: D")).toBe(
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\ndate: D\r\n\r\n" +
      '18\r\ndata: {"ready": false}\n\n\r\n',
  );

  relayHost.programListens(program);
  const idle = '32\r\ndata: {"ready": true, "seconds_since_active": 0}\n\n\r\n';
  const live = (count: number) => `2E\r\ndata: {"ready": true, "live_connections": ${count}}\n\n\r\n`;
  await vi.waitFor(() => expect(reads.at(-1)).toBe(idle));
  const first = await upgrade(relayHost);
  await vi.waitFor(() => expect(reads.at(-1)).toBe(live(1)));
  const second = await upgrade(relayHost);
  await vi.waitFor(() => expect(reads.at(-1)).toBe(live(2)));
  second.destroy();
  await vi.waitFor(() => expect(reads.at(-1)).toBe(live(1)));
  first.destroy();
  await vi.waitFor(() => expect(reads.at(-1)).toBe(idle));
  expect(reads.slice(1).filter((text) => ![idle, live(1), live(2)].includes(text))).toEqual([]);
});

test("who reads them, before and after the program listens, is no client", async () => {
  const relayHost = await open({ gracePeriodSeconds: 0, firstClientSeconds: 60 });
  const states: RelayHostState[] = [];
  onTestFinished(relayHost.watch({ onState: (state) => void states.push(state), onLost() {} }));
  const early = read(relayHost);
  await vi.waitFor(() => expect(early).toHaveLength(1));
  relayHost.programListens(await startProgram());
  const late = read(relayHost, "/_events?x");
  await vi.waitFor(() => expect(late).toHaveLength(1));
  await sleep(150); // the changes that there might be are told within 100 ms
  expect(states.map(({ ready, liveConnections }) => [ready, liveConnections])).toEqual([
    [false, 0],
    [true, 0],
  ]);
  // The first client is still to come: 60 s from when the program listened, and not none.
  expect(await relayHost.seal({ leaseMs: 1_000 })).toMatchObject({ sealed: false, msUntilIdle: expect.any(Number) });
});

test("a stream ends with the host", async () => {
  const relayHost = await open();
  const socket = connect({ host: "127.0.0.1", port: relayHost.port });
  socket.write("GET /_events HTTP/1.1\r\nhost: a\r\n\r\n");
  await new Promise((resolve) => socket.once("data", resolve));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => {});
  await relayHost.close();
  await closed;
});

test.each([
  ["/_events", true],
  ["/_events?a=b", true],
  ["http://host:9090/_events", true],
  ["/_events/", false],
  ["/a/_events", false],
  ["/_eventsx", false],
  ["/?/_events", false],
])("%s is answered by the sidecar: %j", (target, expected) => {
  expect(isLegacyEvents({ target } as Parameters<typeof isLegacyEvents>[0])).toBe(expected);
});
