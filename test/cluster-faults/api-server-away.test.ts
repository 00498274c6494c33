import { expect, onTestFinished } from "vitest";
import { stateOf } from "../../packages/server/src/core/status.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { compactHistory, faultTest, untilPodsRun, whileBroken } from "../support/cluster/faults.ts";
import { createSession, podsOf, readSession, sessionSpec, untilState } from "../support/cluster/session.ts";
import { openStage } from "../support/cluster/stage.ts";
import { EchoClient, keepEchoing } from "../support/cluster/traffic.ts";

/** Well over every deadline, retry and seal; the leases of leaders run out as well. */
const outageMs = 60_000;

/** From when a Pod of the test's own runs until one that was asked for before it is ready. */
const readyAfterProbeMs = 10_000;

/** Sessions, and all roles that it takes to have them. */
async function openSessions(...sessions: { name: string; gracePeriodSeconds: number }[]) {
  const stage = await openStage();
  await stage.start("controller");
  const [gateway, sweeper] = [await stage.start("gateway"), await stage.start("sweeper")];
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
  return { ...stage, gateway, sweeper, urlOf, connect };
}

/** What a request is answered, and how soon. */
async function ask(url: string) {
  const beganMs = performance.now();
  const { status } = await fetch(url, { headers: { connection: "close" }, signal: AbortSignal.timeout(20_000) });
  return { status, ms: performance.now() - beganMs };
}

for (const by of ["kill", "pause"] as const) {
  faultTest(
    `nobody notices that the API server is away for a minute (${by}), and then all goes on`,
    async () => {
      const { client, urlOf, connect, sweeper } = await openSessions(
        { name: "used", gracePeriodSeconds: 2 },
        { name: "left", gracePeriodSeconds: 20 },
        { name: "found-again", gracePeriodSeconds: 20 },
      );
      const users = await Promise.all(Array.from({ length: 10 }, () => connect("used")));
      for (const name of ["left", "found-again"]) expect((await ask(urlOf(name))).status).toBe(200);

      await whileBroken("apiserver", { by }, async () => {
        const untilMs = performance.now() + outageMs;
        const echoing = keepEchoing(users, { untilMs });
        const known = await ask(urlOf("used"));
        expect(known).toMatchObject({ status: 200 });
        expect(known.ms).toBeLessThan(1_000);
        for (const id of ["unknown", "unknown", "as-unknown"]) {
          const unknown = await ask(urlOf(id));
          expect(unknown).toMatchObject({ status: 503 });
          expect(unknown.ms).toBeLessThan(2_500);
        }
        // It became idle in the dark: sealed, and open again, since its end could not be recorded.
        await new Promise((resolve) => setTimeout(resolve, 35_000));
        expect(await ask(urlOf("found-again"))).toMatchObject({ status: 200 });
        await expect(echoing).resolves.toBeGreaterThan(users.length * 50);
      });

      const backMs = performance.now();
      // Its API server takes some seconds to start.
      await eventually(() => createSession(client, "new", sessionSpec("echoes", { gracePeriodSeconds: 600 })), 30_000);
      await untilState(client, "left", { state: "Swept", withinMs: 20_000 });
      // The cluster's own parts are slower to notice than ours.
      await untilPodsRun(client);
      await untilState(client, "new", { state: "Ready", withinMs: readyAfterProbeMs });
      console.log(`all went on within ${Math.round(performance.now() - backMs)} ms after an outage (${by})`);
      expect(await ask(urlOf("new"))).toMatchObject({ status: 200 });
      await eventually(async () => expect(await podsOf(client)).not.toContain("left"), 20_000);

      expect(users.map(({ closed }) => closed)).toEqual(users.map(() => undefined));
      for (const name of ["used", "found-again"]) {
        const backend = await readSession(client, name);
        expect(backend && stateOf(backend), `${name}: ${backend?.status.message}\n${sweeper.log()}`).toBe("Ready");
      }
      await Promise.all(users.map((user) => user.echo("still there")));
    },
    300_000,
  );
}

faultTest(
  "the history is gone when the API server comes back, and nothing of what happened meanwhile is missed",
  async () => {
    const { client, urlOf, connect } = await openSessions(
      { name: "used", gracePeriodSeconds: 1 },
      { name: "left", gracePeriodSeconds: 5 },
    );
    const user = await connect("used");
    expect((await ask(urlOf("left"))).status).toBe(200);
    await compactHistory();
    await whileBroken("apiserver", { by: "kill" }, async () => {
      await keepEchoing([user], { untilMs: performance.now() + 3_000 });
      await compactHistory();
    });
    await eventually(() => createSession(client, "new", sessionSpec("echoes", { gracePeriodSeconds: 600 })), 30_000);
    // The cluster's own parts are slower to notice than ours.
    await untilPodsRun(client);
    await untilState(client, "new", { state: "Ready", withinMs: readyAfterProbeMs });
    await untilState(client, "left", { state: "Swept", withinMs: 20_000 });
    expect(await ask(urlOf("new"))).toMatchObject({ status: 200 });
    await user.echo("still there");
  },
  240_000,
);
