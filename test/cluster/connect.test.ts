import { readFileSync } from "node:fs";
import type { BackendView, ConnectRequest, ConnectResponse } from "@spawner/client";
import { expect, test } from "vitest";
import { idOfKey } from "../../packages/server/src/core/keyed-id.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { testImage } from "../support/cluster/overlay.ts";
import { startController, startGateway, startSweeper } from "../support/cluster/roles.ts";
import { podsOf, readSession, untilState } from "../support/cluster/session.ts";
import { openStage } from "../support/cluster/stage.ts";
import { raceStop, raceSweep } from "../support/connect-race.ts";

/** The image's own program is that of the roles, and connect can name no command: this one is loaded before it, and stays. */
const program = `process.exit = () => {}; process.on("SIGTERM", () => process.reallyExit(0));
${readFileSync(new URL("../support/cluster/echo-program.mjs", import.meta.url), "utf8")}`;
const preload = (source: string) => `--import=data:text/javascript;base64,${Buffer.from(source).toString("base64")}`;

type Connected = ConnectResponse & { readonly url: string };

/** All roles, the api twice: connects go to one and the other in turn. */
async function openTwoApis() {
  const { client, namespace, start, defer } = await openStage();
  const place = { namespace };
  defer(await startController(place));
  defer(await startSweeper(place));
  const gateway = defer(await startGateway(place));
  const flags = ["--url-template", `${gateway.url}/{}/`];
  const apis = [await start("api", { flags }), await start("api", { flags })] as const;
  let turn = 0;
  let refusals = 0;
  const ask = (path: string, init: RequestInit) => fetch(`${apis[turn++ % 2 === 0 ? 0 : 1].url}${path}`, init);
  /** As clients do, again where there is none yet. */
  const connect = async (request: ConnectRequest): Promise<Connected> => {
    const body = {
      image: testImage,
      env: { NODE_OPTIONS: preload(program) },
      terminationGracePeriodSeconds: 1,
      ...request,
    };
    for (let attempt = 1; ; attempt++) {
      const response = await ask("/connect", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      if (response.ok) return (await response.json()) as Connected;
      const text = await response.text();
      expect([attempt < 10, response.status], text).toEqual([true, 503]);
      refusals += 1;
      await new Promise((resolve) => setTimeout(resolve, 1_000 * Number(response.headers.get("retry-after") ?? 1)));
    }
  };
  /** Resolves when each of the two has heard of it, or of what came after: until then the other hands out what lives. */
  const stop = async (id: string) => {
    const answer = await ask(`/backend/${id}`, { method: "DELETE" });
    expect(answer.status).toBeLessThan(300);
    const { generation } = (await answer.json()) as BackendView;
    const hasHeard = async ({ url }: { url: string }) => {
      const backend = (await (await fetch(`${url}/backend/${id}`)).json()) as Partial<BackendView>;
      if (backend.generation === generation) expect(backend.state).toMatch(/^(Stopping|Swept)$/);
    };
    await Promise.all(apis.map((api) => eventually(() => hasHeard(api))));
  };
  // The controller makes the key that they are signed with, and the gateway hears of it when it does.
  const first = await eventually(() => connect({ key: "first" }));
  await eventually(async () => expect((await fetch(first.url.replace(/=.*/, "=none"))).status).toBe(401));
  const refusalsBefore = refusals;
  return { client, connect, stop, spreadMs: 200, refusals: () => refusals - refusalsBefore };
}

test("500 callers of one key by two apis get one backend, and 500 working answers", async () => {
  const { client, connect, refusals } = await openTwoApis();
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, user) => connect({ key: "doc", user: `u${user}` })),
  );
  console.log(`500 callers were given one backend, after ${refusals()} times that one had to ask again`);
  expect(new Set(answers.map(({ generation }) => generation)).size).toBe(1);
  expect(answers.filter(({ spawned }) => spawned)).toHaveLength(1);
  await untilState(client, idOfKey("doc"), { state: "Ready" });
  const echoes = await Promise.all(
    answers.map(
      async ({ url }) => (await (await fetch(url)).json()) as { headers: object; env: Record<string, string> },
    ),
  );
  const users = echoes.map(({ headers }) => (headers as Record<string, string>)["x-spawner-user"]);
  expect(new Set(users).size).toBe(500);
  expect((await podsOf(client)).filter((name) => name === idOfKey("doc"))).toHaveLength(1);
  const { env } = echoes[0] ?? expect.unreachable();
  expect(env).toMatchObject({ SPAWNER_KEY: "doc", SPAWNER_FENCING_TOKEN: expect.stringMatching(/^\d+$/) });
  await eventually(async () =>
    expect((await readSession(client, idOfKey("doc")))?.status.fencingToken).toBe(env.SPAWNER_FENCING_TOKEN),
  );
});

test("100 who wait for a Pod that fails are each told so, and the next who connects is told why", async () => {
  const { connect } = await openTwoApis();
  const fails = "process.exit = () => {}; setTimeout(() => process.reallyExit(3), 5_000);";
  const env = { NODE_OPTIONS: preload(fails) };
  const users = await Promise.all(
    Array.from({ length: 100 }, (_, user) => connect({ key: "doc", user: `u${user}`, env })),
  );
  expect(new Set(users.map(({ generation }) => generation)).size).toBe(1);
  const statuses = await Promise.all(users.map(async ({ url }) => (await fetch(url)).status));
  expect(new Set(statuses)).toEqual(new Set([410]));
  // The gateway has heard of its end, an api may not have yet.
  const next = await eventually(async () => {
    const connected = await connect({ key: "doc", user: "u0" });
    expect(connected).toMatchObject({ spawned: true, previousFailure: { state: "Failed", reason: "Crashed" } });
    return connected;
  });
  expect((await fetch(next.url)).status).toBe(200);
});

test.each([
  ["swept", raceSweep],
  ["asked to end", raceStop],
])(
  "50 connects while the backend is %s are each given one that answers",
  async (what, race) => {
    const { client: _, connect, refusals: __, ...racers } = await openTwoApis();
    const request = { gracePeriodSeconds: 0, firstClientSeconds: 30 };
    const counts = await race(
      { ...racers, connect: (wanted) => connect({ ...request, ...wanted }) },
      { rounds: 50, keys: 5 },
    );
    console.log(`connect raced with a backend being ${what}: ${JSON.stringify(counts)}`);
    expect(counts.kept + counts.replaced + counts.stoppedLater).toBe(50);
    expect(counts.unreached).toBeLessThanOrEqual(2);
  },
  600_000,
);
