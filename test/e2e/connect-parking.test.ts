// A crowd that waits for the start of one session: each is answered, and nothing of them is left.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ConnectResponse } from "@spawner/client";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { at, startConnecting } from "../support/connecting.ts";
import { parseMetrics } from "../support/metrics-text.ts";

const program = fileURLToPath(new URL("../support/program.mjs", import.meta.url));
const crowd = 100;

/** A Spawner whose sessions do not listen before `release`, or are ended by `fail`. */
async function setUp({ parkedMax = crowd } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "spawner-gate-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const gate = join(folder, "open");
  const script = `until [ -e "${gate}" ]; do sleep 0.05; done; [ -s "${gate}" ] && exit 3; exec "$0" "$1"`;
  const command = ["sh", "-c", script, process.execPath, program];
  const spawner = await startConnecting({
    parkedMax,
    template: { command, cwd: process.cwd() },
    // Who has closed its half of a connection may wait for an answer, and is taken for gone after a while.
    limits: { halfClosedSilenceMs: 500 },
  });
  const metric = async (name: string, label = "") => {
    const metrics = parseMetrics(
      await (await fetch(`${spawner.url}/api/metrics`, { headers: { connection: "close" } })).text(),
    );
    const samples = metrics.get(name)?.samples ?? expect.unreachable(`${name} is counted`);
    return samples.find(({ labels }) => Object.values(labels).join() === label)?.value ?? 0;
  };
  return {
    ...spawner,
    release: () => writeFileSync(gate, ""),
    fail: () => writeFileSync(gate, "fail"),
    outcomes: (outcome: string) => metric("spawner_gateway_parked_requests_total", outcome),
    untilParked: (count: number) =>
      vi.waitFor(async () => expect(await metric("spawner_gateway_parked_requests")).toBe(count), 10_000),
    untilNobodyIsLeft: () =>
      vi.waitFor(async () => {
        expect(await metric("spawner_gateway_parked_requests")).toBe(0);
        expect(await metric("spawner_gateway_admitted_open")).toBe(0);
        expect(await metric("spawner_gateway_upgraded_connections")).toBe(0);
      }, 10_000),
    /** Lets this many users in, each with a token of its own. */
    crowdOf: (count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, user) => spawner.connect({ key: "doc", user: `u${user}` })),
      ) as Promise<Connected[]>,
  };
}

type Connected = ConnectResponse & { readonly url: string };

/** What a user is answered: of every four, one comes by WebSocket. */
function arrive({ url }: Connected, index: number, signal?: AbortSignal): Promise<number> {
  return index % 4 === 0 ? upgrade(url, signal) : request(url, signal);
}

const request = (url: string, signal?: AbortSignal) =>
  fetch(at(url, "/echo"), { headers: { connection: "close" }, ...(signal === undefined ? {} : { signal }) }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status;
    },
    () => 0,
  );

function upgrade(url: string, signal?: AbortSignal): Promise<number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url.replace("http", "ws"));
    signal?.addEventListener("abort", () => socket.terminate());
    socket.on("error", () => {}); // it is not let in, or left
    socket.on("close", () => resolve(0));
    socket.on("unexpected-response", (asked, { statusCode = 0 }) => {
      resolve(statusCode);
      asked.destroy();
    });
    socket.on("open", () => {
      resolve(101);
      socket.close();
    });
  });
}

test("100 users who wait for a start that fails are each told so, and the next who connects is told why", async () => {
  const { connect, crowdOf, fail, release, outcomes, untilParked, untilNobodyIsLeft } = await setUp();
  const users = await crowdOf(crowd);
  const answers = Promise.all(users.map((user, index) => arrive(user, index)));
  await untilParked(crowd);
  fail();
  expect(new Set(await answers)).toEqual(new Set([410]));
  expect(await outcomes("ended")).toBe(crowd);
  await untilNobodyIsLeft();

  release();
  const next = await connect({ key: "doc", user: "u0" });
  expect(next).toMatchObject({ spawned: true, previousFailure: { state: "Failed", reason: "Crashed" } });
  expect(await request(next.url)).toBe(200);
  expect(await request(users[0]?.url ?? "")).toBe(410);
});

test("those for whom there is no place are told at once; who leaves makes room; who waits is let in", async () => {
  const { crowdOf, release, outcomes, untilParked, untilNobodyIsLeft } = await setUp();
  const users = await crowdOf(crowd + 40);
  const leaving = new AbortController();
  const gone = users.slice(0, 40).map((user, index) => arrive(user, index, leaving.signal));
  const staying = users.slice(40, crowd).map((user, index) => arrive(user, index));
  await untilParked(crowd);

  const late = users.slice(crowd);
  const beganMs = performance.now();
  const refusals = await Promise.all(late.map((user, index) => arrive(user, index)));
  expect(new Set(refusals)).toEqual(new Set([503]));
  expect(performance.now() - beganMs).toBeLessThan(2_000);
  expect(await outcomes("full")).toBe(late.length);

  leaving.abort();
  expect(new Set(await Promise.all(gone))).toEqual(new Set([0]));
  await untilParked(crowd - gone.length);
  expect(await outcomes("gone")).toBe(gone.length);
  const again = late.map((user, index) => arrive(user, index));
  await untilParked(crowd);

  release();
  for (const answers of [await Promise.all(staying), await Promise.all(again)]) {
    expect(answers).toEqual(answers.map((_, index) => (index % 4 === 0 ? 101 : 200)));
  }
  await untilNobodyIsLeft();
});
