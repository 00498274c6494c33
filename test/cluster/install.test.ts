import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/cluster/eventually.ts";
import { type Installation, install, spawnRequestFor, spawnThrough } from "../support/cluster/install.ts";
import { EchoClient } from "../support/cluster/traffic.ts";

let spawner: Installation;
beforeAll(async () => {
  spawner = await install({ of: "overlays/local" });
});
afterAll(() => spawner?.dispose());

test("what kubectl apply -k has installed starts a session, relays to it, and sweeps it when its user has left", async () => {
  const id = await spawner.spawn({ gracePeriodSeconds: 2, firstClientSeconds: 20 });
  const user = await EchoClient.open(`${spawner.gatewayUrl}/${id}/`);
  await user.echo("hello");
  user.close();

  await eventually(async () => {
    expect(await statusOf(id)).toMatchObject({ state: "Swept", reason: "Idle" });
    expect(await spawner.kubectl("get", "pod", `spawner-${id}`, "--ignore-not-found")).toBe("");
  });
  expect(await readiness(id)).toBe(410);
  expect(await spawner.kubectl("get", "slab", `spawner-${id}`)).toMatch(/STATE +REASON +NODE +AGE\s.* Swept +Idle /);
});

test("a request that comes before its session listens is answered by it", async () => {
  const id = await spawnThrough(spawner.apiUrl, spawnRequestFor("echo-program.mjs"));
  const answer = await fetch(`${spawner.gatewayUrl}/${id}/path?query`, { headers: { "x-own": "1" } });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ url: "/path?query", headers: { "x-own": "1" }, env: { PORT: "8080" } });
});

test("a session is ended through the API, and nothing is left of it but its record", async () => {
  const id = await spawner.spawn();
  expect((await fetch(`${spawner.apiUrl}/backend/${id}`, { method: "DELETE" })).ok).toBe(true);
  await eventually(async () => {
    expect(await statusOf(id)).toMatchObject({ state: "Swept", reason: "Requested" });
    expect(await spawner.kubectl("get", "pod", `spawner-${id}`, "--ignore-not-found")).toBe("");
  });
});

test("no part of it was restarted or complained that it may not do something", async () => {
  const pods = await spawner.kubectl("get", "pods", "--selector=spawner.dev/role", "--output=json");
  const { items } = JSON.parse(pods) as {
    items: { metadata: { name: string }; status: { containerStatuses: { restartCount: number }[] } }[];
  };
  expect(items).toHaveLength(4);
  for (const { metadata, status } of items) {
    expect(status.containerStatuses, metadata.name).toMatchObject([{ restartCount: 0 }]);
    expect(await spawner.kubectl("logs", metadata.name)).not.toMatch(/forbidden/i);
  }
});

async function readiness(id: string): Promise<number> {
  const { status } = await fetch(`${spawner.apiUrl}/backend/${id}/ready`, { redirect: "manual" });
  return status;
}

async function statusOf(id: string): Promise<unknown> {
  return (await fetch(`${spawner.apiUrl}/backend/${id}/status`)).json();
}
