import { expect, onTestFinished } from "vitest";
import { stateOf } from "../../../packages/server/src/core/status.ts";
import type { ApiProxy } from "./api-proxy.ts";
import { eventually } from "./eventually.ts";
import { openConnected } from "./outage-connect.ts";
import { createSession, podsOf, readSession, sessionSpec, untilState } from "./session.ts";
import { openStage } from "./stage.ts";
import { EchoClient, keepEchoing } from "./traffic.ts";

/** Well over every deadline, retry and seal; the leases of leaders run out as well. */
const minuteMs = 60_000;

interface SessionOptions {
  readonly name: string;
  readonly gracePeriodSeconds: number;
}

/** Sessions, and all roles that it takes to have them, as processes, over the proxy where there is one. */
export async function openSessions(sessions: readonly SessionOptions[], { proxy }: { proxy?: ApiProxy } = {}) {
  const stage = await openStage();
  const reached = proxy === undefined ? {} : { proxy };
  await stage.start("controller", reached);
  const [gateway, sweeper] = [await stage.start("gateway", reached), await stage.start("sweeper", reached)];
  const urlOf = (name: string) => `${gateway.url}/${name}/`;
  const connect = async (name: string) => {
    const client = await EchoClient.open(urlOf(name));
    onTestFinished(() => client.close());
    return client;
  };
  for (const { name, gracePeriodSeconds } of sessions) {
    await createSession(stage.client, name, sessionSpec("echoes", { gracePeriodSeconds, firstClientSeconds: 600 }));
  }
  await Promise.all(sessions.map(({ name }) => untilState(stage.client, name, { state: "Ready" })));
  return { ...stage, sweeper, gateway, urlOf, connect };
}

type Sessions = Awaited<ReturnType<typeof openSessions>>;

/** What a request is answered, and how soon. */
export async function ask(url: string) {
  const beganMs = performance.now();
  const { status } = await fetch(url, { headers: { connection: "close" }, signal: AbortSignal.timeout(20_000) });
  return { status, ms: performance.now() - beganMs };
}

export interface Outage {
  readonly proxy?: ApiProxy;
  /** Does something while the API server is away. */
  readonly whileAway: (act: () => Promise<void>) => Promise<void>;
  /** Resolves when the cluster itself, whose parts may be slower to notice than ours, runs Pods again. */
  readonly untilWhole?: (sessions: Sessions) => Promise<void>;
  /** How long it is away. Default: a minute. */
  readonly outageMs?: number;
}

/** What users see of an API server that is away: nothing. And what has to go on when it is back. */
export async function expectNobodyNotices({
  proxy,
  whileAway,
  untilWhole,
  outageMs = minuteMs,
}: Outage): Promise<void> {
  const reached = proxy === undefined ? {} : { proxy };
  const sessions = await openSessions(
    [
      { name: "used", gracePeriodSeconds: 2 },
      { name: "left", gracePeriodSeconds: 20 },
      { name: "found-again", gracePeriodSeconds: 20 },
    ],
    reached,
  );
  const { client, urlOf, connect, sweeper, gateway } = sessions;
  const connected = await openConnected({ stage: sessions, gateway, reached });
  const users = await Promise.all(Array.from({ length: 10 }, () => connect("used")));
  for (const name of ["left", "found-again"]) expect((await ask(urlOf(name))).status).toBe(200);

  await whileAway(async () => {
    const untilMs = performance.now() + outageMs;
    const [user] = await Promise.all([
      useMeanwhile(sessions, { users: [...users, ...connected.users], untilMs }),
      connected.useMeanwhile({ untilMs }),
    ]);
    users.push(user);
  });

  // An API server takes some seconds to start.
  await eventually(() => createSession(client, "new", sessionSpec("echoes", { gracePeriodSeconds: 600 })), 30_000);
  const backMs = performance.now();
  await untilState(client, "left", { state: "Swept", withinMs: 20_000 });
  console.log(`what became idle meanwhile was swept ${Math.round(performance.now() - backMs)} ms after the outage`);
  await untilWhole?.(sessions);
  await connected.useAfterwards();
  await untilState(client, "new", { state: "Ready", withinMs: 15_000 });
  expect(await ask(urlOf("new"))).toMatchObject({ status: 200 });
  await eventually(async () => expect(await podsOf(client)).not.toContain("left"), 20_000);

  users.push(...connected.users);
  expect(users.map(({ closed }) => closed)).toEqual(users.map(() => undefined));
  for (const name of ["used", "found-again"]) {
    const backend = await readSession(client, name);
    expect(backend && stateOf(backend), `${name}: ${backend?.status.message}\n${sweeper.log()}`).toBe("Ready");
  }
  await Promise.all(users.map((user) => user.echo("still there")));
}

/** Resolves to one who came meanwhile, and stays. */
async function useMeanwhile(
  { urlOf, connect }: Sessions,
  { users, untilMs }: { users: readonly EchoClient[]; untilMs: number },
): Promise<EchoClient> {
  const echoing = keepEchoing([...users], { untilMs });
  const known = [await ask(urlOf("used")), await ask(urlOf("used")), await ask(urlOf("used"))];
  expect(known.map(({ status }) => status)).toEqual([200, 200, 200]);
  // Who asks the API server waits for 1.8 s each time; a busy machine takes its time once.
  expect(Math.min(...known.map(({ ms }) => ms))).toBeLessThan(1_500);
  for (const id of ["unknown", "unknown", "as-unknown"]) {
    const unknown = await ask(urlOf(id));
    expect(unknown.status).toBe(503);
    expect(unknown.ms).toBeLessThan(3_500); // 2 s, and what a busy machine takes
  }
  // It became idle in the dark, and is not ended: now, nor by what the API server was sent meanwhile, when that goes on.
  await new Promise((resolve) => setTimeout(resolve, 35_000));
  const user = await connect("found-again");
  await user.echo("found again");
  await expect(echoing).resolves.toBeGreaterThan(users.length * 50);
  return user;
}
