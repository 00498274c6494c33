import type { ConnectResponse } from "@spawner/client";
import { SpawnerClient } from "@spawner/client";

/** When a cold connect had come how far, in milliseconds since it was asked for. */
export interface ColdConnect {
  /** The answer is there: the record is written. */
  readonly answered: number;
  /** The program's process has begun. */
  readonly started: number;
  readonly listening: number;
  /** The status stream has told. */
  readonly readyKnown: number;
  /** The program's answer is there, to a request that was sent as soon as its URL was known. */
  readonly firstAnswer: number;
}

export const coldParts = ["answered", "started", "listening", "readyKnown", "firstAnswer"] as const;

/** Connects to a key that nobody has, until its program has answered; then ends it. */
export async function connectCold(baseUrl: string, key: string): Promise<ColdConnect> {
  const client = new SpawnerClient({ url: `${baseUrl}/api` });
  const now = () => performance.timeOrigin + performance.now();
  const askedAtMs = now();
  const { backend, url = "", spawned } = (await client.connect({ key, user: "ada" })) satisfies ConnectResponse;
  if (!spawned) throw new Error(`the key ${key} was not new`);
  const answeredAtMs = now();
  const [{ startedAtMs, listeningAtMs, answeredAtMs: firstAtMs }, readyAtMs] = await Promise.all([
    fetch(url).then(async (response) => {
      const told = (await response.json()) as { startedAtMs: number; listeningAtMs: number };
      return { ...told, answeredAtMs: now() };
    }),
    untilReady(client, backend).then(now),
  ]);
  await client.stop(backend, { graceSeconds: 0 });
  for await (const _ of client.statusStream(backend)); // until it has ended
  return {
    answered: answeredAtMs - askedAtMs,
    started: startedAtMs - askedAtMs,
    listening: listeningAtMs - askedAtMs,
    readyKnown: readyAtMs - askedAtMs,
    firstAnswer: firstAtMs - askedAtMs,
  };
}

async function untilReady(client: SpawnerClient, backend: string): Promise<void> {
  for await (const { state } of client.statusStream(backend)) if (state === "Ready") return;
  throw new Error(`${backend} was never ready`);
}
