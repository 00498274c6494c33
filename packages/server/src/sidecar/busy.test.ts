import { createHash } from "node:crypto";
import { networkInterfaces } from "node:os";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { RelayHostState } from "../core/relay-host.ts";
import { FakeClock } from "../lib/fake-clock.ts";
import { openControlServer } from "./control-server.ts";
import { openProgramServer } from "./program-server.ts";
import { BackendRelayHost } from "./relay-host.ts";

const token = "program-token";
const sha256Of = (text: string) => createHash("sha256").update(text).digest("hex");
const gracePeriodSeconds = 60;
const leaseMs = 1_000;

/** Where a program says that it is busy: at its sidecar, or at the server that has started it. */
const places: [
  string,
  (relayHost: BackendRelayHost, clock: FakeClock) => Promise<{ port: number; close(): unknown }>,
][] = [
  [
    "a sidecar",
    (relayHost, clock) => {
      const tokens = { tokenSha256: sha256Of("sweeper-token"), programTokenSha256: sha256Of(token) };
      return openControlServer({ host: "127.0.0.1", port: 0, ...tokens }, { relayHost, clock });
    },
  ],
  [
    "the server of one machine",
    async (relayHost) => {
      const other = await openRelayHost();
      const hosts = new Map([
        [sha256Of(token), relayHost],
        [sha256Of("another-program-token"), other.relayHost],
      ]);
      return openProgramServer({ host: "127.0.0.1", port: 0 }, hosts);
    },
  ],
];

async function openRelayHost() {
  const clock = new FakeClock();
  const relayHost = await BackendRelayHost.open(
    { host: "127.0.0.1", port: 0, gracePeriodSeconds, firstClientSeconds: 0 },
    { clock },
  );
  onTestFinished(() => relayHost.close());
  relayHost.programListens({ host: "127.0.0.1", port: 1 });
  return { relayHost, clock };
}

describe.each(places)("the program of %s", (_, openPlace) => {
  async function open() {
    const { relayHost, clock } = await openRelayHost();
    const place = await openPlace(relayHost, clock);
    onTestFinished(() => void place.close());
    const states: RelayHostState[] = [];
    onTestFinished(relayHost.watch({ onState: (state) => states.push(state), onLost() {} }));
    const url = `http://127.0.0.1:${place.port}`;
    const put = async (body: unknown, authorization = `Bearer ${token}`) => {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const answer = await fetch(`${url}/busy`, { method: "PUT", headers: { authorization }, body: text });
      return { status: answer.status, version: answer.headers.get("x-spawner-protocol"), body: await answer.json() };
    };
    const seal = () => relayHost.seal({ leaseMs });
    return { relayHost, clock, url, put, seal, latest: () => states.at(-1) };
  }

  test("is busy for as long as it said, cannot be sealed, and has a whole grace period behind it", async () => {
    const { put, clock, seal, latest } = await open();
    clock.advance(gracePeriodSeconds * 1000);
    const answer = await put({ ttlSeconds: 100 }, `bearer ${token}`); // the scheme is in any case (RFC 9110 11.1)
    expect(answer).toEqual({ status: 200, version: "1", body: { accepted: true } });
    await vi.waitFor(() =>
      expect(latest()).toMatchObject({ busy: true, liveConnections: 0, idleMs: 0, msUntilIdle: undefined }),
    );
    clock.advance(99_999);
    expect(await seal()).toEqual({ sealed: false });
    clock.advance(1);
    expect(await seal()).toEqual({ sealed: false, msUntilIdle: gracePeriodSeconds * 1000 });
    expect(latest()).toMatchObject({ idleMs: 0, msUntilIdle: gracePeriodSeconds * 1000 });
    expect(latest()?.busy).toBeUndefined();
    clock.advance(gracePeriodSeconds * 1000);
    expect(await seal()).toEqual({ sealed: true });
  });

  test("is busy until it says that it is not, by its latest word", async () => {
    const { put, clock, seal } = await open();
    await put({ ttlSeconds: 86_400 });
    await put({ ttlSeconds: 0.5 });
    clock.advance(499);
    expect(await seal()).toEqual({ sealed: false });
    await put({ ttlSeconds: 1_000 });
    clock.advance(999_000);
    expect(await seal()).toEqual({ sealed: false });
    expect(await put({ ttlSeconds: 0 })).toMatchObject({ status: 200 });
    expect(await seal()).toEqual({ sealed: false, msUntilIdle: gracePeriodSeconds * 1000 });
  });

  test("that is not busy and says so changes nothing", async () => {
    const { put, clock, seal } = await open();
    clock.advance(gracePeriodSeconds * 1000);
    await put({ ttlSeconds: 0 });
    expect(await seal()).toEqual({ sealed: true });
  });

  test("is no client: a first one is still waited for", async () => {
    const { put, latest } = await open();
    await put({ ttlSeconds: 100 });
    await vi.waitFor(() => expect(latest()).toMatchObject({ busy: true, awaitsFirstClient: true }));
  });

  test("is told that it is too late once the session is about to end, and holds it no more", async () => {
    const { put, clock, seal, relayHost } = await open();
    clock.advance(gracePeriodSeconds * 1000);
    expect(await seal()).toEqual({ sealed: true });
    const refusal = { status: 409, body: { accepted: false, because: "sealed" } };
    expect(await put({ ttlSeconds: 100 })).toMatchObject(refusal);
    clock.advance(leaseMs);
    expect(await put({ ttlSeconds: 100 })).toMatchObject({ status: 200 });
    relayHost.end();
    expect(await put({ ttlSeconds: 100 })).toMatchObject(refusal);
    expect(relayHost.figures().busy).toBe(false);
  });

  test("is ended all the same by who does not mind", async () => {
    const { put, relayHost } = await open();
    await put({ ttlSeconds: 100 });
    expect(await relayHost.seal({ leaseMs, evenInGrace: true })).toEqual({ sealed: false });
    expect(await relayHost.seal({ leaseMs, evenIfActive: true })).toEqual({ sealed: true });
  });

  test.each([
    [{ ttlSeconds: -1 }, 400, /ttlSeconds must be a number of seconds from 0 to 86400; -1 was given/],
    [{ ttlSeconds: 86_401 }, 400, /86401 was given/],
    [{ ttlSeconds: "60" }, 400, /"60" was given/],
    [{}, 400, /nothing was given/],
    [{ ttlSeconds: 5, x: 1 }, 400, /^unknown field "x"; ttlSeconds is the only one\.$/],
    [[], 400, /must be a JSON object; "\[\]" was given/],
    ["nonsense", 400, /must be a JSON object/],
    [{ padding: "x".repeat(5_000) }, 413, /4096 bytes at most/],
  ])("is told what is wrong with %j", async (body, status, message) => {
    const { put, relayHost } = await open();
    expect(await put(body)).toMatchObject({ status, body: { message: expect.stringMatching(message) } });
    expect(relayHost.figures().busy).toBe(false);
  });

  test.each(["", "Bearer ", "Bearer undefined", "Bearer sweeper-token", `Basic ${token}`])(
    "is known by its token alone, and not by %j",
    async (authorization) => {
      const { put, relayHost } = await open();
      expect(await put({ ttlSeconds: 100 }, authorization)).toMatchObject({
        status: 401,
        body: { code: "unauthorized", message: expect.stringMatching(/SPAWNER_CONTROL_TOKEN/) },
      });
      expect(relayHost.figures().busy).toBe(false);
    },
  );

  test.each(["GET /_events", "POST /hold", "POST /seal", "GET /busy", "PUT /busy/", "POST /busy"])(
    "can ask for nothing else: %s",
    async (route) => {
      const { url, relayHost } = await open();
      const [method = "", path] = route.split(" ");
      const body = method === "GET" ? {} : { body: JSON.stringify({ seconds: 9, leaseSeconds: 9, ttlSeconds: 9 }) };
      const answer = await fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${token}` }, ...body });
      expect([401, 404]).toContain(answer.status);
      expect(await relayHost.hold(1)).toEqual({ held: true });
    },
  );
});

test("another program's token is good for its own session alone", async () => {
  const [mine, other] = [await openRelayHost(), await openRelayHost()];
  const hosts = new Map([
    [sha256Of("mine"), mine.relayHost],
    [sha256Of("another's"), other.relayHost],
  ]);
  const server = await openProgramServer({ host: "127.0.0.1", port: 0 }, hosts);
  onTestFinished(() => server.close());
  const ask = { method: "PUT", headers: { authorization: "Bearer mine" }, body: '{"ttlSeconds":9}' };
  expect((await fetch(`http://127.0.0.1:${server.port}/busy`, ask)).status).toBe(200);
  expect([mine.relayHost.figures().busy, other.relayHost.figures().busy]).toEqual([true, false]);
});

const outside = Object.values(networkInterfaces())
  .flat()
  .find((address) => address !== undefined && !address.internal && address.family === "IPv4")?.address;

test.skipIf(outside === undefined)(
  "a sidecar takes nobody's word who comes by another address than its own loopback",
  async () => {
    const { relayHost, clock } = await openRelayHost();
    const programTokenSha256 = sha256Of(token);
    const server = await openControlServer({ host: "0.0.0.0", port: 0, programTokenSha256 }, { relayHost, clock });
    onTestFinished(() => server.close());
    const ask = { method: "PUT", headers: { authorization: `Bearer ${token}` }, body: '{"ttlSeconds":9}' };
    expect((await fetch(`http://${outside}:${server.port}/busy`, ask)).status).toBe(401);
    expect(relayHost.figures().busy).toBe(false);
    expect((await fetch(`http://127.0.0.1:${server.port}/busy`, ask)).status).toBe(200);
  },
);
