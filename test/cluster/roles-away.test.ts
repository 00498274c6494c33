import { expect, test } from "vitest";
import { connectUser, enter, expectTokenWorks, keepUsingToken, post } from "../support/cluster/connected.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { untilState } from "../support/cluster/session.ts";
import { openStage } from "../support/cluster/stage.ts";
import { keepEchoing } from "../support/cluster/traffic.ts";

const outageMs = 60_000;

// The API server is away in outage.test.ts.
test("users of connect do not notice that controller, sweeper and api are killed and away for a minute", async () => {
  const { client, start } = await openStage();
  const startAll = () => Promise.all([start("controller"), start("sweeper"), start("api")]);
  const [controller, sweeper, first] = await startAll();
  const gateway = await start("gateway");
  const long = { user: "ada", gracePeriodSeconds: 600 };
  const [ada, left] = [
    await connectUser(first.url, { key: "doc", ...long }),
    await connectUser(first.url, { key: "left", user: "ada", gracePeriodSeconds: 2, firstClientSeconds: 2 }),
  ];
  const socket = await eventually(() => enter(gateway, ada)); // once the gateway has heard of the keys

  await Promise.all([controller, sweeper, first].map((role) => role.end("SIGKILL")));
  const untilMs = performance.now() + outageMs;
  await Promise.all([keepEchoing([socket], { untilMs }), keepUsingToken(gateway, ada, { untilMs })]);
  const another = await enter(gateway, ada);
  // What nobody has used could not end, and is there for whoever comes.
  await expectTokenWorks(gateway, left);

  const [, , api] = await startAll();
  const again = await connectUser(api.url, { key: "doc", ...long });
  expect(again).toMatchObject({ generation: ada.generation, spawned: false });
  await untilState(client, left.backend, { state: "Swept" });
  for (const each of [socket, another]) await each.echo("still here");
  expect((await post(api.url, `/backend/${ada.backend}/revoke`, { user: "ada" })).status).toBe(200);
  await eventually(() => expect([socket.closed, another.closed]).not.toContain(undefined), 10_000);
}, 180_000);
