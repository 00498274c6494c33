import { expect, onTestFinished, test } from "vitest";
import { endedAt, stateOf } from "../../packages/server/src/core/status.ts";
import { createSession, readSession, sessionSpec, untilState } from "../support/cluster/session.ts";
import { openStage } from "../support/cluster/stage.ts";
import { EchoClient, keepEchoing } from "../support/cluster/traffic.ts";

test("a sweeper and a controller that are killed and started anew lose no session, and grant no grace anew", async () => {
  const gracePeriodSeconds = 14;
  const stage = await openStage();
  const { client } = stage;
  const first = { controller: await stage.start("controller"), sweeper: await stage.start("sweeper") };
  const gateway = await stage.start("gateway");
  const connect = async (name: string) => {
    const user = await EchoClient.open(`${gateway.url}/${name}/`);
    onTestFinished(() => user.close());
    return user;
  };
  for (const name of ["used", "left"]) {
    await createSession(client, name, sessionSpec("echoes", { gracePeriodSeconds, firstClientSeconds: 600 }));
  }
  await Promise.all(["used", "left"].map((name) => untilState(client, name, { state: "Ready" })));
  const [user, leaving] = [await connect("used"), await connect("left")];
  await leaving.echo("here");
  leaving.close();
  const leftAtMs = Date.now();

  await keepEchoing([user], { untilMs: performance.now() + gracePeriodSeconds * 700 });
  await Promise.all([first.controller.end("SIGKILL"), first.sweeper.end("SIGKILL")]);
  await Promise.all([stage.start("sweeper"), stage.start("controller")]);
  const left = await untilState(client, "left", { state: "Swept" });
  const sweptAfterSeconds = ((endedAt(left)?.getTime() ?? 0) - leftAtMs) / 1000;
  console.log(`swept ${sweptAfterSeconds} s after the last user had left, with a grace of ${gracePeriodSeconds} s`);
  expect(sweptAfterSeconds).toBeGreaterThanOrEqual(gracePeriodSeconds - 0.1);
  // What was granted anew would end at 1.7 times the grace at the earliest.
  expect(sweptAfterSeconds).toBeLessThan(gracePeriodSeconds * 1.6);

  await user.echo("still here");
  const used = await readSession(client, "used");
  expect(used && stateOf(used)).toBe("Ready");
});
