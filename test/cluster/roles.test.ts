import type { SpawnResponse } from "@spawner/client";
import { expect, test } from "vitest";
import type { KubeClient } from "../../packages/server/src/engine/kubernetes/index.ts";
import { loadKubeConfig } from "../../packages/server/src/engine/kubernetes/kube-config.ts";
import { ApiProxy } from "../support/cluster/api-proxy.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { spawnRequestFor } from "../support/cluster/install.ts";
import { runInPod } from "../support/cluster/programs.ts";
import type { RoleProcess } from "../support/cluster/role-process.ts";
import { createSession, podsOf, requestStop, sessionSpec, untilState } from "../support/cluster/session.ts";
import { openStage } from "../support/cluster/stage.ts";
import { EchoClient } from "../support/cluster/traffic.ts";
import { runSpawner } from "../support/dev.ts";
import { readDocument } from "../support/metrics-document.ts";
import { type ExposedMetric, parseMetrics } from "../support/metrics-text.ts";

async function metricsOf({ healthUrl }: RoleProcess): Promise<ReadonlyMap<string, ExposedMetric>> {
  return parseMetrics(await (await fetch(`${healthUrl}/metrics`)).text());
}

async function metricOf(role: RoleProcess, name: string): Promise<number | undefined> {
  return (await metricsOf(role)).get(name)?.samples[0]?.value;
}

async function readiness({ healthUrl }: RoleProcess): Promise<string> {
  const response = await fetch(`${healthUrl}/readyz`);
  return `${response.status} ${(await response.text()).trim()}`;
}

const untilReady = (...roles: RoleProcess[]) =>
  eventually(async () => expect(await Promise.all(roles.map(readiness))).toEqual(roles.map(() => "200 ready")));

/** Names of the namespace's Pods without those that are ending: each session has one. */
async function expectOnePodEach(client: KubeClient, names: readonly string[]): Promise<void> {
  expect((await podsOf(client)).sort()).toEqual([...names].sort());
}

test("a session goes all its way through four processes, which say how they are and what they did", async () => {
  const { client, start } = await openStage();
  const [controller, sweeper, api] = await Promise.all([start("controller"), start("sweeper"), start("api")]);
  const gateway = await start("gateway", { flags: ["--api-url", api.url] });
  const roles = { controller, sweeper, api, gateway };
  await untilReady(...Object.values(roles));

  const spawned = await fetch(`${gateway.url}/api/spawn`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(spawnRequestFor("echo-program.mjs", { gracePeriodSeconds: 2 })),
  });
  expect(spawned.status).toBe(200);
  const { name } = (await spawned.json()) as SpawnResponse;

  // Parked until it is ready, of which the api hears for itself.
  const [answer] = await Promise.all([
    fetch(`${gateway.url}/${name}/some/path`),
    eventually(async () => expect((await fetch(`${api.url}/backend/${name}/ready`)).status).toBe(200)),
  ]);
  expect([answer.status, await answer.json()]).toMatchObject([200, { url: "/some/path" }]);
  const swept = await untilState(client, name, { state: "Swept" });
  expect(swept.status).toMatchObject({ reason: "Idle" });
  expect((await fetch(`${gateway.url}/${name}/`)).status).toBe(410);
  await eventually(async () => expectOnePodEach(client, []));

  const documented = [...readDocument().keys(), ...readDocument({ of: "cluster" }).keys()];
  const counted = await Promise.all(Object.values(roles).map(metricsOf));
  const names = new Set(counted.flatMap((metrics) => [...metrics.keys()]));
  expect([...names].sort()).toEqual([...new Set(documented)].sort());
  expect(await metricOf(controller, "spawner_leader")).toBe(1);
  expect(await metricOf(sweeper, "spawner_sweep_lateness_seconds")).toBeDefined();

  for (const [role, { log }] of Object.entries(roles)) {
    const lines = log()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect([...new Set(lines.map((line) => line.role))]).toEqual([role]);
    const changes = lines.filter(({ msg }) => msg === "backend changed");
    expect(changes.every(({ backend }) => typeof backend === "string")).toBe(true);
  }
  await Promise.all([controller, sweeper].map((role) => role.end("SIGTERM")));
  expect(await Promise.all([controller, sweeper].map(({ exited }) => exited))).toEqual([0, 0]);
});

test("where the leading controller is killed another one acts within 15 s, and nothing is doubled", async () => {
  const { client, start } = await openStage();
  const [first, second] = await Promise.all([start("controller"), start("controller")]);
  const leading = await eventually(async () => {
    const values = await Promise.all([first, second].map((each) => metricOf(each, "spawner_leader")));
    expect([...values].sort()).toEqual([0, 1]);
    return values[0] === 1 ? first : second;
  });
  const next = leading === first ? second : first;
  expect((await metricsOf(next)).has("spawner_backends")).toBe(false); // what sessions do is counted once
  await eventually(async () => expect((await metricsOf(leading)).has("spawner_backends")).toBe(true));
  await createSession(client, "before", sessionSpec("echoes"));
  await eventually(() => expectOnePodEach(client, ["before"]));

  await leading.end("SIGKILL");
  const killedMs = performance.now();
  await createSession(client, "after", sessionSpec("echoes"));
  await eventually(() => expectOnePodEach(client, ["after", "before"]), 20_000);
  const tookMs = performance.now() - killedMs;
  console.log(`a killed leader's successor acted after ${(tookMs / 1000).toFixed(1)} s`);
  expect(tookMs).toBeLessThan(15_000);
  await untilState(client, "after", { state: "Running" });
  await untilState(client, "before", { state: "Running" });
  expect(await metricOf(next, "spawner_leader")).toBe(1);

  // One that ends as it should gives the lead away.
  const third = await start("controller");
  await untilReady(third);
  await next.end("SIGTERM");
  const endedMs = performance.now();
  await eventually(async () => expect(await metricOf(third, "spawner_leader")).toBe(1));
  console.log(`an ended leader's successor led after ${((performance.now() - endedMs) / 1000).toFixed(1)} s`);
  expect(performance.now() - endedMs).toBeLessThan(4_000);
  await expectOnePodEach(client, ["after", "before"]);
}, 90_000);

test("a sweeper and a controller that restart lose no session, and grant none its grace anew", async () => {
  const { client, start } = await openStage();
  const gateway = await start("gateway");
  let [controller, sweeper] = await Promise.all([start("controller"), start("sweeper")]);
  await createSession(client, "used", sessionSpec("echoes", { gracePeriodSeconds: 1 }));
  await createSession(client, "left", sessionSpec("echoes", { gracePeriodSeconds: 12, firstClientSeconds: 0 }));
  await Promise.all(["used", "left"].map((name) => untilState(client, name, { state: "Ready" })));
  const user = await EchoClient.open(`${gateway.url}/used/`);
  await (await fetch(`${gateway.url}/left/`, { headers: { connection: "close" } })).text();
  const leftAtMs = Date.now();

  await Promise.all([controller.end("SIGTERM"), sweeper.end("SIGKILL")]);
  await user.echo("while neither is there");
  [controller, sweeper] = await Promise.all([start("controller"), start("sweeper")]);
  await untilReady(controller, sweeper);
  const readyAtMs = Date.now();
  const swept = await untilState(client, "left", { state: "Swept" });
  const sweptAtMs = Date.parse(swept.status.transitions?.Swept?.time ?? "");
  expect(sweptAtMs - leftAtMs).toBeGreaterThan(11_900);
  expect(sweptAtMs - readyAtMs).toBeLessThan(12_000); // with a grace granted anew it would be more
  await user.echo("after all of that");
  expect((await podsOf(client)).filter((name) => name === "used")).toHaveLength(1);
  user.close();
  await untilState(client, "used", { state: "Swept" });
}, 90_000);

test("a gateway that is to end lets its WebSockets end by themselves, and closes those that do not", async () => {
  const { client, start } = await openStage();
  await Promise.all([start("controller"), start("sweeper")]);
  const [patient, strict] = await Promise.all([
    start("gateway"),
    start("gateway", { flags: ["--drain-seconds", "6"] }),
  ]);
  await createSession(client, "talk", sessionSpec("echoes"));
  await untilState(client, "talk", { state: "Ready" });
  const users = await Promise.all([patient, strict].map(({ url }) => EchoClient.open(`${url}/talk/`)));
  const [patientUser, strictUser] = users;
  const ended = [patient, strict].map((gateway) => gateway.end("SIGTERM"));

  await eventually(async () => expect(await readiness(patient)).toBe("503 it is ending"));
  // Whoever has not heard of it yet is served.
  expect((await fetch(`${patient.url}/talk/`, { headers: { connection: "close" } })).status).toBe(200);
  await eventually(async () => {
    await expect(fetch(`${patient.url}/talk/`)).rejects.toThrow();
  });
  await Promise.all(users.map((user) => user.echo("while it drains")));
  await ended[1];
  expect(strictUser?.closed).toBeDefined();
  await patientUser?.echo("longer than the other");
  patientUser?.close();
  await ended[0];
  expect(await Promise.all([patient.exited, strict.exited])).toEqual([0, 0]);
}, 90_000);

test("an api that is to end ends status streams for their clients to go on elsewhere; a second signal hurries it", async () => {
  const { client, start } = await openStage();
  const [api, hurried] = await Promise.all([start("api"), start("api")]);
  await untilReady(api, hurried);
  await createSession(client, "followed", sessionSpec("echoes"));
  const [stream] = await Promise.all([api, hurried].map(({ url }) => fetch(`${url}/backend/followed/status/stream`)));
  const ended = api.end("SIGTERM");
  const secondSignal = hurried.end("SIGTERM");
  const signalledMs = performance.now();
  await eventually(async () => expect(await readiness(hurried)).toBe("503 it is ending"));
  process.kill(hurried.pid, "SIGTERM");
  await secondSignal;
  expect(performance.now() - signalledMs).toBeLessThan(4_000);
  expect(await stream?.text()).toMatch(/"state":"Submitted".*\n\n$/);
  await ended;
  expect(await Promise.all([api.exited, hurried.exited])).toEqual([0, 0]);
});

test("while the API server is away who is ready stays so, and the controller leads again when it is back", async () => {
  const { client, start, defer } = await openStage();
  const proxy = defer(await ApiProxy.open(await loadKubeConfig()));
  const [controller, sweeper, gateway] = await Promise.all([
    start("controller", { proxy }),
    start("sweeper", { proxy }),
    start("gateway", { proxy }),
  ]);
  await createSession(client, "here", sessionSpec("echoes"));
  await untilState(client, "here", { state: "Ready" });
  const user = await EchoClient.open(`${gateway.url}/here/`);
  await untilReady(controller, sweeper, gateway);

  await proxy.refuse();
  await eventually(async () => expect(await metricOf(controller, "spawner_leader")).toBe(0));
  await eventually(() => expect(controller.log()).toMatch(/"lead lost"/));
  expect(await Promise.all([controller, sweeper, gateway].map(readiness))).toEqual(Array(3).fill("200 ready"));
  await user.echo("while it is away");
  expect((await fetch(`${gateway.url}/here/`)).status).toBe(200);

  await proxy.serve();
  await eventually(async () => expect(await metricOf(controller, "spawner_leader")).toBe(1));
  await createSession(client, "later", sessionSpec("echoes"));
  await untilState(client, "later", { state: "Ready" });
  await user.echo("when it is back");
  user.close();
}, 90_000);

const endsItsAnswer = `
  import { createServer } from "node:http";
  let answer;
  createServer((_, response) => {
    answer = response;
    response.write("begun, ");
  }).listen(process.env.PORT);
  process.on("SIGTERM", () => setTimeout(() => answer.end("and ended", () => process.exit(0)), 1_500));`;

test("what a program still answers when it is asked to end arrives, and its Pod goes when it has gone", async () => {
  const { client, start } = await openStage();
  const [, , gateway] = await Promise.all([start("controller"), start("sweeper"), start("gateway")]);
  await createSession(client, "last", {
    ...runInPod(["node", "--input-type=module", "--eval", endsItsAnswer]),
    terminationGracePeriodSeconds: 20,
  });
  const response = await fetch(`${gateway.url}/last/`);
  await requestStop(client, "last");
  await untilState(client, "last", { state: "Swept" });
  expect(await response.text()).toBe("begun, and ended");
  const endedMs = performance.now();
  await eventually(() => expectOnePodEach(client, []));
  // The sidecar, which has no more to do, does not stay for the 20 s that it might.
  expect(performance.now() - endedMs).toBeLessThan(10_000);
});

test("the doctor finds what is there and what is not, and reaches the sidecar of a session", async () => {
  const { client, namespace, start } = await openStage();
  await start("controller");
  await createSession(client, "asked", sessionSpec("echoes"));
  await untilState(client, "asked", { state: "Running" });
  const { output, exited } = runSpawner(["doctor", "--json", "--namespace", namespace]);
  const code = await exited;
  const findings = output.text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, string>);
  const levels = Object.fromEntries(findings.map(({ subject = "", level }) => [subject, level]));
  expect(levels).toMatchObject({
    "API server": "ok",
    clock: "ok",
    "custom resource": "ok",
    keys: "ok",
    sidecars: "ok",
    "rights of sweeper": "wrong",
    "role controller": "wrong",
    "role gateway": "warning",
  });
  expect(code).toBe(1);
});
