import { expect } from "vitest";
import { eventually } from "../support/cluster/eventually.ts";
import { compactHistory, faultTest, untilPodsRun, whileBroken } from "../support/cluster/faults.ts";
import { ask, expectNobodyNotices, openSessions } from "../support/cluster/outage.ts";
import { createSession, sessionSpec, untilState } from "../support/cluster/session.ts";
import { keepEchoing } from "../support/cluster/traffic.ts";

// One that is paused is in test/long/cluster-api-server-paused.test.ts.
faultTest(
  "nobody notices that the API server is killed and away for a minute, and then all goes on",
  () =>
    expectNobodyNotices({
      whileAway: (act) => whileBroken("apiserver", { by: "kill" }, act),
      untilWhole: ({ client }) => untilPodsRun(client),
    }),
  300_000,
);

faultTest(
  "the history is gone when the API server comes back, and nothing of what happened meanwhile is missed",
  async () => {
    const { client, urlOf, connect } = await openSessions([
      { name: "used", gracePeriodSeconds: 1 },
      { name: "left", gracePeriodSeconds: 5 },
    ]);
    const user = await connect("used");
    expect((await ask(urlOf("left"))).status).toBe(200);
    await compactHistory();
    await whileBroken("apiserver", { by: "kill" }, async () => {
      await keepEchoing([user], { untilMs: performance.now() + 3_000 });
      await compactHistory();
    });
    await eventually(() => createSession(client, "new", sessionSpec("echoes", { gracePeriodSeconds: 600 })), 30_000);
    await untilState(client, "left", { state: "Swept", withinMs: 20_000 });
    await untilPodsRun(client);
    await untilState(client, "new", { state: "Ready", withinMs: 15_000 });
    expect(await ask(urlOf("new"))).toMatchObject({ status: 200 });
    await user.echo("still there");
  },
  240_000,
);
