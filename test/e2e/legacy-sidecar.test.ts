import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { RelayHostState } from "../../packages/server/src/core/relay-host.ts";
import { LegacyRelayHost } from "../../packages/server/src/engine/legacy-relay-host.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { run as runSidecar } from "../../packages/server/src/sidecar/index.ts";
import { LegacyEventStream, type LegacyState } from "../support/compat/event-stream-019.ts";

const sidecarFile = fileURLToPath(new URL("../support/compat/sidecar-019.mjs", import.meta.url));

/** A program that takes WebSockets, on a port of its own. */
async function startProgram() {
  const server = createServer((_, response) => response.end("hello"));
  new WebSocketServer({ server });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

/** The sidecar of 0.1.9, or what speaks like it, in front of a program. */
async function startLegacySidecar() {
  const upstreamPort = await startProgram();
  const sidecar = spawn(process.execPath, [sidecarFile, "--serve-port=0", `--upstream-port=${upstreamPort}`]);
  onTestFinished(() => void sidecar.kill("SIGKILL"));
  const [line] = (await once(sidecar.stdout, "data")) as [Buffer];
  const url = `http://127.0.0.1:${/port (\d+)/.exec(String(line))?.[1]}`;
  return { sidecar, url };
}

function watch(host: LegacyRelayHost) {
  const states: RelayHostState[] = [];
  const lost: Error[] = [];
  onTestFinished(host.watch({ onState: (state) => void states.push(state), onLost: (cause) => void lost.push(cause) }));
  return { states, lost };
}

async function openSocket(url: string) {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/`);
  socket.on("error", () => {});
  onTestFinished(() => socket.terminate());
  await once(socket, "open");
  return socket;
}

async function kill(child: ChildProcess) {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

test("the sidecar of 0.1.9 is a relay host, of which only what it says at this moment is taken for idle", async () => {
  const { sidecar, url } = await startLegacySidecar();
  const host = new LegacyRelayHost({ url, gracePeriodSeconds: 1 }, { clock: systemClock });
  const { states, lost } = watch(host);
  await vi.waitFor(() =>
    expect(states.at(-1)).toMatchObject({ ready: true, liveConnections: 0, msUntilIdle: undefined }),
  );

  const socket = await openSocket(url);
  await vi.waitFor(() => expect(states.at(-1)).toMatchObject({ liveConnections: 1 }));
  expect(await host.seal({ leaseMs: 1_000 })).toEqual({ sealed: false, msUntilIdle: undefined });
  socket.close();
  await vi.waitFor(() => expect(states.at(-1)).toMatchObject({ liveConnections: 0 }));
  const answer = await host.seal({ leaseMs: 1_000 });
  expect(answer).toMatchObject({ sealed: false });
  // A second that it says has passed may just have begun: it waits for one more.
  await vi.waitFor(async () => expect(await host.seal({ leaseMs: 1_000 })).toEqual({ sealed: true }), {
    timeout: 5_000,
  });

  expect(await host.seal({ leaseMs: 1_000, evenIfActive: true })).toEqual({ sealed: true });
  await expect(host.hold()).rejects.toMatchObject({ code: "unavailable" });
  expect(lost).toEqual([]);
  await kill(sidecar);
  await vi.waitFor(() => expect(lost).toHaveLength(1));
  await expect(host.seal({ leaseMs: 1_000 })).rejects.toMatchObject({ code: "unavailable" });
});

test("what is no sidecar of 0.1.9 is lost, not understood", async () => {
  const server = createServer((_, response) => void response.writeHead(404).end("no"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const { states, lost } = watch(
    new LegacyRelayHost({ url: `http://127.0.0.1:${port}`, gracePeriodSeconds: 1 }, { clock: systemClock }),
  );
  await vi.waitFor(() => expect(lost[0]?.message).toMatch(/404/));
  expect(states).toEqual([]);
});

test("the sweeper of 0.1.9 reads our sidecar by one dial, from before the program listens to after its last client", async () => {
  const upstreamPort = await startProgram();
  const sidecar = await runSidecar(
    {
      host: "127.0.0.1",
      port: 0,
      controlPort: 0,
      upstreamPort,
      gracePeriodSeconds: 60,
      firstClientSeconds: 60,
      eventsOnServePort: true,
    },
    { clock: systemClock },
  );
  onTestFinished(() => sidecar.close());
  const url = `http://127.0.0.1:${sidecar.port}`;
  const states: LegacyState[] = [];
  const stream = new LegacyEventStream({ url: `${url}/`, onState: (state) => void states.push(state) });
  onTestFinished(() => stream.close());
  await vi.waitFor(() => expect(states.at(-1)).toEqual({ ready: true, seconds_since_active: 0 }));
  const sockets = [await openSocket(url), await openSocket(url)];
  await vi.waitFor(() => expect(states.at(-1)).toEqual({ ready: true, live_connections: 2 }));
  for (const socket of sockets) socket.close();
  await vi.waitFor(() => expect(states.at(-1)).toEqual({ ready: true, seconds_since_active: 0 }));
  expect(stream).toMatchObject({ dials: 1, hasDied: false });
});

test("what reads as the sweeper of 0.1.9 does spins at anything else, as that does", async () => {
  const server = createServer((_, response) => void response.end(": a comment\n\n"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const stream = new LegacyEventStream({ url: `http://127.0.0.1:${port}/`, onState() {}, dialsMax: 20 });
  onTestFinished(() => stream.close());
  await vi.waitFor(() => expect(stream.dials).toBe(20));
});
