import type { ConnectRequest, ConnectResponse } from "@spawner/client";
import { expect } from "vitest";

type Connected = ConnectResponse & { readonly url: string };

export interface Racers {
  /** `POST /connect`. */
  connect(request: ConnectRequest): Promise<Connected>;
  /** Asks a backend to end, and resolves when that is written. */
  stop(id: string): Promise<unknown>;
  /** The second act of a round begins up to so long after the first, in twenty steps. */
  readonly spreadMs: number;
}

export interface RaceOptions {
  readonly rounds: number;
  /** How many keys are at it at once. */
  readonly keys: number;
}

export interface RaceCounts {
  /** Rounds in which connect was given the backend that was there, which stayed. */
  kept: number;
  /** Rounds in which it was given the next one. */
  replaced: number;
  /** Rounds in which the backend was asked to end after it had been handed out. */
  stoppedLater: number;
  /** Requests for which the gateway found no way to a Pod that was ready (504), and which were sent again. */
  unreached: number;
}

/**
 * Connects anew while the last client leaves a backend without grace. Rejects unless each connect's URL answers 200 at once.
 */
export function raceSweep({ connect, stop, spreadMs }: Racers, options: RaceOptions): Promise<RaceCounts> {
  return race(options, async (key, round, counts) => {
    const first = await connect({ key });
    const client = new AbortController();
    const stream = await reach(first.url.replace("/?", "/events?"), counts, client.signal);
    expect(stream.status, `round ${round} of ${key}, before`).toBe(200);
    const leaving = pause(spreadMs / 2).then(() => client.abort());
    await pause(offset(round, spreadMs));
    const second = await connect({ key });
    const opened = await open(second, counts);
    expect(opened, `round ${round} of ${key}`).toEqual({ status: 200, body: opened.body });
    await leaving;
    counts[second.generation === first.generation ? "kept" : "replaced"] += 1;
    await stop(second.backend); // it is held now, and would stay
  });
}

/**
 * Connects while the backend is asked to end. Rejects where a URL does not answer 200 at once, unless both were at it at the same
 * time and connect came first: who begins to connect when the stop was answered is given the next one.
 */
export function raceStop({ connect, stop, spreadMs }: Racers, options: RaceOptions): Promise<RaceCounts> {
  return race(options, async (key, round, counts) => {
    const first = await connect({ key, waitReady: true });
    let stoppedAtMs = Number.POSITIVE_INFINITY;
    const stopping = stop(first.backend).then(() => {
      stoppedAtMs = performance.now();
    });
    // Every other time just when it is answered: that is when it is asked to end, and lives yet.
    await (round % 2 === 0 ? stopping : pause(offset(round, spreadMs)));
    const beganAtMs = performance.now();
    const second = await connect({ key });
    const opened = await open(second, counts);
    await stopping;
    if (second.generation !== first.generation) {
      expect(opened, `round ${round} of ${key}`).toEqual({ status: 200, body: opened.body });
      counts.replaced += 1;
    } else {
      expect(beganAtMs, `round ${round} of ${key}: it was stopped before, ${opened.body}`).toBeLessThan(stoppedAtMs);
      counts.stoppedLater += 1;
    }
  });
}

async function race(
  { rounds, keys }: RaceOptions,
  run: (key: string, round: number, counts: RaceCounts) => Promise<void>,
): Promise<RaceCounts> {
  const counts = { kept: 0, replaced: 0, stoppedLater: 0, unreached: 0 };
  let round = 0;
  const racing = async (_: unknown, index: number) => {
    while (round < rounds) {
      round += 1;
      await run(`key ${index}`, round, counts);
    }
  };
  await Promise.all(Array.from({ length: keys }, racing));
  return counts;
}

const offset = (round: number, spreadMs: number) => (round % 20) * (spreadMs / 20);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Once more where the network did not lead to the Pod: that is no word of the backend's. */
async function reach(url: string, counts: RaceCounts, signal?: AbortSignal): Promise<Response> {
  const options = signal === undefined ? {} : { signal };
  const response = await fetch(url, options);
  if (response.status !== 504) return response;
  counts.unreached += 1;
  return fetch(url, options);
}

async function open({ url }: Connected, counts: RaceCounts): Promise<{ status: number; body: string }> {
  const response = await reach(url.replace("/?", "/echo?"), counts);
  const body = await response.text();
  return { status: response.status, body: response.ok ? "" : body };
}
