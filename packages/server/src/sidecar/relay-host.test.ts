import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { RelayHost, RelayHostState } from "../core/relay-host.ts";
import { HttpRelayHost } from "../engine/http-relay-host.ts";
import { systemClock } from "../lib/clock.ts";
import { openControlServer } from "./control-server.ts";
import { BackendRelayHost, type RelayHostConfig } from "./relay-host.ts";

/** A program that answers at once, but for /wait, which waits until it is told. */
async function startProgram() {
  const waiting: (() => void)[] = [];
  const server: Server = createServer((request, response) => {
    if (request.url === "/wait") waiting.push(() => response.end("waited"));
    else response.end("hello");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return {
    host: "127.0.0.1",
    port,
    answerWaiting: () => waiting.splice(0).forEach((answer) => void answer()),
    waiting,
  };
}

async function open(overrides: Partial<RelayHostConfig> = {}) {
  const config = { host: "127.0.0.1", port: 0, gracePeriodSeconds: 0, firstClientSeconds: 0, ...overrides };
  const relayHost = await BackendRelayHost.open(config, { clock: systemClock });
  onTestFinished(() => relayHost.close());
  const program = await startProgram();
  return {
    relayHost,
    program,
    url: `http://127.0.0.1:${relayHost.port}`,
    listens: () => relayHost.programListens(program),
  };
}

/** A relay host, and how a role asks it: by a direct call, or over its control port. */
const ways: [string, (relayHost: BackendRelayHost) => Promise<RelayHost>][] = [
  ["asked directly", async (relayHost) => relayHost],
  [
    "asked over HTTP",
    async (relayHost) => {
      const server = await openControlServer({ host: "127.0.0.1", port: 0 }, { relayHost, clock: systemClock });
      onTestFinished(() => server.close());
      return new HttpRelayHost({ controlUrl: `http://127.0.0.1:${server.port}` }, { clock: systemClock });
    },
  ],
];

describe.each(ways)("a relay host, %s,", (_, ask) => {
  async function watched(overrides: Partial<RelayHostConfig> = {}) {
    const opened = await open(overrides);
    const control = await ask(opened.relayHost);
    const states: RelayHostState[] = [];
    const lost: Error[] = [];
    const unwatch = control.watch({ onState: (state) => states.push(state), onLost: (cause) => lost.push(cause) });
    onTestFinished(unwatch);
    await vi.waitFor(() => expect(states).not.toEqual([]));
    return { ...opened, control, states, lost, unwatch, latest: () => states.at(-1) };
  }

  test("says first what it is, then what it becomes", async () => {
    const { states, listens, url, program, latest } = await watched();
    expect(states[0]).toMatchObject({ ready: false });
    listens();
    await vi.waitFor(() => expect(latest()).toMatchObject({ ready: true, liveConnections: 0, sealed: false }));
    expect(latest()?.awaitsFirstClient).toBe(true);
    const response = fetch(`${url}/wait`);
    await vi.waitFor(() => expect(latest()).toMatchObject({ liveConnections: 1, idleMs: 0, msUntilIdle: undefined }));
    expect(latest()?.awaitsFirstClient).toBeUndefined();
    await vi.waitFor(() => expect(program.waiting).toHaveLength(1));
    program.answerWaiting();
    await (await response).text();
    await vi.waitFor(() => expect(latest()).toMatchObject({ liveConnections: 0, msUntilIdle: 0 }));
  });

  test("takes no seal before the program listens, nor while somebody is there", async () => {
    const { control, listens, url, program } = await watched();
    expect(await control.seal({ leaseMs: 1_000 })).toEqual({ sealed: false });
    listens();
    const response = fetch(`${url}/wait`);
    await vi.waitFor(() => expect(program.waiting).toHaveLength(1));
    expect(await control.seal({ leaseMs: 1_000 })).toEqual({ sealed: false });
    program.answerWaiting();
    await (await response).text();
    expect(await control.seal({ leaseMs: 1_000 })).toEqual({ sealed: true });
  });

  test("takes no seal in the grace period, and says how long that lasts", async () => {
    const { control, listens } = await watched({ gracePeriodSeconds: 100 });
    listens();
    const answer = await control.seal({ leaseMs: 1_000 });
    expect(answer).toEqual({ sealed: false, msUntilIdle: expect.any(Number) });
    expect(answer.sealed ? 0 : answer.msUntilIdle).toBeGreaterThan(99_000);
  });

  test("waits for a first client at least as long as it was told to", async () => {
    const { control, listens, url } = await watched({ gracePeriodSeconds: 0, firstClientSeconds: 100 });
    listens();
    expect(await control.seal({ leaseMs: 1_000 })).toMatchObject({ sealed: false });
    await (await fetch(url)).text();
    await vi.waitFor(async () => expect(await control.seal({ leaseMs: 1_000 })).toEqual({ sealed: true }));
  });

  test("promises to stay by a hold, and refuses one once it is sealed", async () => {
    const { control, listens, url } = await watched();
    listens();
    await (await fetch(url)).text();
    expect(await control.hold(100)).toEqual({ held: true });
    expect(await control.seal({ leaseMs: 1_000 })).toMatchObject({ sealed: false });
    expect(await control.seal({ leaseMs: 1_000, evenIfActive: true })).toEqual({ sealed: true });
    expect(await control.hold(1)).toEqual({ held: false, because: "sealed" });
  });

  test("keeps who comes while it is sealed waiting, and serves them when the seal lapses", async () => {
    const { control, listens, url, latest } = await watched();
    listens();
    const sealedAtMs = performance.now();
    expect(await control.seal({ leaseMs: 300, evenIfActive: true })).toEqual({ sealed: true });
    await vi.waitFor(() => expect(latest()).toMatchObject({ sealed: true }));
    expect(await (await fetch(url)).text()).toBe("hello");
    expect(performance.now() - sealedAtMs).toBeGreaterThan(250);
    await vi.waitFor(() => expect(latest()).toMatchObject({ sealed: false }));
  });

  test("tells those who wait that it is over when it ends", async () => {
    const { relayHost, control, listens, url } = await watched();
    listens();
    await control.seal({ leaseMs: 60_000, evenIfActive: true });
    const answer = fetch(url);
    await vi.waitFor(() => expect(relayHost.waitingCount).toBe(1));
    relayHost.end();
    expect((await answer).status).toBe(410);
    expect(await (await fetch(url)).json()).toMatchObject({ code: "backend_ended" });
  });

  test("tells those who wait that it is over when a seal turns out to be final", async () => {
    const { relayHost, control, listens, url } = await watched();
    listens();
    await control.seal({ leaseMs: 60_000, evenIfActive: true });
    const answer = fetch(url);
    await vi.waitFor(() => expect(relayHost.waitingCount).toBe(1));
    expect(await control.seal({ leaseMs: 1, evenIfActive: true, isFinal: true })).toEqual({ sealed: true });
    expect((await answer).status).toBe(410);
    await new Promise((resolve) => setTimeout(resolve, 20)); // longer than the lease
    expect((await fetch(url)).status).toBe(410);
  });

  test("does not prolong a seal while somebody waits for its end", async () => {
    const { control, relayHost, listens, url } = await watched();
    listens();
    expect(await control.seal({ leaseMs: 500 })).toEqual({ sealed: true });
    expect(await control.seal({ leaseMs: 600 })).toEqual({ sealed: true });
    const answer = fetch(url);
    await vi.waitFor(() => expect(relayHost.waitingCount).toBe(1));
    expect(await control.seal({ leaseMs: 60_000 })).toMatchObject({ sealed: false });
    expect(await (await answer).text()).toBe("hello");
  });

  test("opens at once when its seal is shortened", async () => {
    const { relayHost, control, listens, url } = await watched();
    listens();
    await control.seal({ leaseMs: 60_000, evenIfActive: true });
    const answer = fetch(url);
    await vi.waitFor(() => expect(relayHost.waitingCount).toBe(1));
    await control.seal({ leaseMs: 1 });
    expect(await (await answer).text()).toBe("hello");
  });

  test("is said to be lost when it goes, and not when its watcher goes", async () => {
    const gone = await watched();
    await gone.relayHost.close();
    await vi.waitFor(() => expect(gone.lost).toHaveLength(1));
    const left = await watched();
    left.unwatch();
    await left.relayHost.close();
    await new Promise(setImmediate);
    expect(left.lost).toEqual([]);
  });
});

describe("requests to a relay host", () => {
  test("wait for the program to listen", async () => {
    const { relayHost, listens, url } = await open();
    const answer = fetch(url);
    await vi.waitFor(() => expect(relayHost.waitingCount).toBe(1));
    listens();
    expect(await (await answer).text()).toBe("hello");
  });

  test("meant for another generation get 421, and the program never sees them", async () => {
    const { listens, url, program } = await open({ identity: "b/1" });
    listens();
    const ask = (identity: string) => fetch(`${url}/wait`, { headers: { "x-spawner-backend": identity } });
    const answer = await ask("b/2");
    expect(answer.status).toBe(421);
    expect(await answer.json()).toMatchObject({ code: "misdirected" });
    expect(program.waiting).toEqual([]);
  });

  test("get 502 when nobody listens any more", async () => {
    const { relayHost, url } = await open();
    relayHost.programListens({ host: "127.0.0.1", port: 1 });
    const answer = await fetch(url);
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({ code: "upstream_failed" });
  });
});

describe("the control port", () => {
  test("asks for its token, but not to say that it lives", async () => {
    const { relayHost } = await open();
    const token = "a-token";
    const tokenSha256 = createHash("sha256").update(token).digest("hex");
    const server = await openControlServer(
      { host: "127.0.0.1", port: 0, tokenSha256 },
      { relayHost, clock: systemClock },
    );
    onTestFinished(() => server.close());
    const controlUrl = `http://127.0.0.1:${server.port}`;
    expect((await fetch(`${controlUrl}/healthz`)).status).toBe(200);
    expect((await fetch(`${controlUrl}/hold`, { method: "POST", body: '{"seconds":1}' })).status).toBe(401);
    const knowing = new HttpRelayHost({ controlUrl, token }, { clock: systemClock });
    expect(await knowing.hold(1)).toEqual({ held: true });
    const guessing = new HttpRelayHost({ controlUrl, token: "another" }, { clock: systemClock });
    await expect(guessing.hold(1)).rejects.toMatchObject({ code: "unavailable" });
  });

  test.each([
    ["POST", "/hold", '{"seconds":"1"}', 400, /seconds must be a number of seconds above 0.*"1" was given/],
    ["POST", "/hold", "{}", 400, /seconds must be/],
    ["POST", "/seal", '{"leaseSeconds":-1}', 400, /leaseSeconds must be/],
    ["POST", "/seal", "nonsense", 400, /must be a JSON object/],
    ["POST", "/seal", `"${"x".repeat(5_000)}"`, 413, /4096 bytes at most/],
    ["GET", "/nothing", undefined, 404, /no route/],
  ])("refuses %s %s %s", async (method, path, body, status, message) => {
    const { relayHost } = await open();
    const server = await openControlServer({ host: "127.0.0.1", port: 0 }, { relayHost, clock: systemClock });
    onTestFinished(() => server.close());
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
    });
    expect(response.status).toBe(status);
    expect(response.headers.get("x-spawner-protocol")).toBe("1");
    expect(await response.json()).toMatchObject({ message: expect.stringMatching(message) });
  });
});
