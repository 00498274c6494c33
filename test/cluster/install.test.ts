import { randomBytes } from "node:crypto";
import type { ConnectRequest, ConnectResponse } from "@spawner/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectUser, open, post } from "../support/cluster/connected.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { type Installation, install, spawnRequestFor, spawnThrough } from "../support/cluster/install.ts";
import { EchoClient } from "../support/cluster/traffic.ts";

let spawner: Installation;
beforeAll(async () => {
  const twice = ["api", "gateway"].map((role) => ({
    target: { kind: "Deployment", name: `spawner-${role}` },
    patch: "- { op: replace, path: /spec/replicas, value: 2 }",
  }));
  spawner = await install({ of: "overlays/local", patches: twice });
});
afterAll(() => spawner?.dispose());

/** What the tests were given, and nobody else may find. */
const tokens: string[] = [];
async function connect(request: ConnectRequest): Promise<ConnectResponse> {
  const connected = await connectUser(spawner.apiUrl, request);
  tokens.push(connected.token);
  return connected;
}

test("what kubectl apply -k has installed starts a session, relays to it, and sweeps it when its user has left", async () => {
  const id = await spawner.spawn({ gracePeriodSeconds: 2, firstClientSeconds: 20 });
  const user = await EchoClient.open(`${spawner.gatewayUrl}/${id}/`);
  await user.echo("hello");
  user.close();

  await eventually(async () => {
    expect(await statusOf(id)).toMatchObject({ state: "Swept", reason: "Idle" });
    expect(await spawner.kubectl("get", "pod", `spawner-${id}`, "--ignore-not-found")).toBe("");
  });
  await eventually(async () => expect(await readiness(id)).toBe(410)); // another api may not have heard of it yet
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

test("a user is let in at each gateway in each way, as nobody else, and is out at both within a second", async () => {
  const ada = await connect({ key: "doc", user: "ada", auth: { role: "teacher" } });
  const bob = await connect({ key: "doc", user: "bob" });
  const other = await connect({ key: "other", user: "ada" });
  expect(bob.generation).toBe(ada.generation);
  const gateways = await urlsOfGateways();
  for (const gateway of gateways) {
    const url = `${gateway}/${ada.backend}/`;
    const inUrl = `${url}?_spawner_token=${ada.token}`;
    const shown = await open(inUrl, { "sec-fetch-mode": "navigate" });
    expect(shown).toMatchObject({ status: 302, headers: { location: `/${ada.backend}/` } });
    const [cookie = ""] = shown.headers["set-cookie"]?.[0]?.split(";") ?? [];
    const forged = { "x-spawner-user": "eve", X_Spawner_User: "eve" };
    const ways = [
      await open(inUrl, forged),
      await open(url, { ...forged, cookie }),
      await open(url, { ...forged, authorization: `Bearer ${ada.token}` }),
    ];
    for (const { status, body } of ways) {
      expect(status, body).toBe(200);
      expect(JSON.parse(body)).toMatchObject({ url: "/", headers: { "x-spawner-user": "ada" } });
      expect(body).not.toMatch(/eve/);
      expect(body).not.toContain(ada.token);
    }
    expect((await open(url, forged)).status).toBe(401);
    expect((await open(url, { authorization: `Bearer ${other.token}` })).status).toBe(401);
    expect((await open(url, { cookie: `spawner-token=${other.token}` })).status).toBe(401);
  }

  const socketsOf = ({ token }: { token: string }) =>
    Promise.all(gateways.map((gateway) => EchoClient.open(`${gateway}/${ada.backend}/?_spawner_token=${token}`)));
  const [ofAda, ofBob] = [await socketsOf(ada), await socketsOf(bob)];
  await Promise.all([...ofAda, ...ofBob].map((socket) => socket.echo("hello")));
  const revokedMs = performance.now();
  expect((await post(spawner.apiUrl, `/backend/${ada.backend}/revoke`, { user: "ada" })).status).toBe(200);
  await eventually(() => expect(ofAda.filter(({ closed }) => closed === undefined)).toEqual([]), 1_000);
  expect(performance.now() - revokedMs).toBeLessThan(1_000);
  for (const gateway of gateways) {
    const known = await open(`${gateway}/${ada.backend}/`, { cookie: `spawner-token=${ada.token}` });
    expect(known).toMatchObject({ status: 401, body: expect.stringContaining("revoked") });
  }
  for (const socket of ofBob) {
    await socket.echo("still here");
    socket.close();
  }
});

test("the keys in the Secret are replaced without a restart: what is open stays so, and old tokens go with their key", async () => {
  const connectAgain = () => connect({ key: "rotated", user: "ada" });
  const old = await connectAgain();
  const gateways = await urlsOfGateways();
  const statusesOf = ({ backend, token }: { backend: string; token: string }) =>
    Promise.all(
      gateways.map(
        async (gateway) => (await open(`${gateway}/${backend}/`, { authorization: `Bearer ${token}` })).status,
      ),
    );
  const write = async (keys: string) => {
    const patch = JSON.stringify({ stringData: { "signing-keys": keys } });
    await spawner.kubectl("patch", "secret", "spawner-keys", `--patch=${patch}`);
  };
  const socket = await EchoClient.open(`${gateways[0]}/${old.backend}/?_spawner_token=${old.token}`);
  const before = await spawner.kubectl("get", "secret", "spawner-keys", "--output=jsonpath={.data.signing-keys}");
  const fresh = `fresh:${randomBytes(32).toString("base64url")}\n`;

  await write(`${fresh}${Buffer.from(before, "base64")}`);
  // Either of two signs.
  const signed = await eventually(async () => {
    const both = [await connectAgain(), await connectAgain(), await connectAgain(), await connectAgain()];
    for (const { token } of both) expect(keyOf(token)).toBe("fresh");
    return both;
  });
  // Each gateway when it has heard of the new key as well.
  for (const connected of [...signed, old])
    await eventually(async () => expect(await statusesOf(connected)).toEqual([200, 200]));

  await write(fresh);
  await eventually(async () => expect(await statusesOf(old)).toEqual([401, 401]), 5_000);
  for (const connected of signed) expect(await statusesOf(connected)).toEqual([200, 200]);
  await socket.echo("still here");
  socket.close();
});

test("no part of it was restarted or complained that it may not do something", async () => {
  const pods = await spawner.kubectl("get", "pods", "--selector=spawner.dev/role", "--output=json");
  const { items } = JSON.parse(pods) as {
    items: { metadata: { name: string }; status: { containerStatuses: { restartCount: number }[] } }[];
  };
  expect(items).toHaveLength(6);
  for (const { metadata, status } of items) {
    expect(status.containerStatuses, metadata.name).toMatchObject([{ restartCount: 0 }]);
    expect(await spawner.kubectl("logs", metadata.name)).not.toMatch(/forbidden/i);
  }
});

test("no token and no key is told by any object but their Secret, nor in any log", async () => {
  const data = JSON.parse(
    await spawner.kubectl("get", "secret", "spawner-keys", "--output=jsonpath={.data}"),
  ) as object;
  const keys = Object.values(data).flatMap((value: string) =>
    Buffer.from(value, "base64")
      .toString()
      .split(/[:\s]+/),
  );
  const secrets = [...tokens.flatMap((token) => token.split(".").slice(1)), ...keys].filter(
    ({ length }) => length > 30,
  );
  expect(secrets.length).toBeGreaterThan(2 * tokens.length + 1);
  const objects = await spawner.kubectl("get", "pods,slab,configmaps,events,deployments,daemonsets", "--output=json");
  const { items } = JSON.parse(objects) as { items: { kind: string; metadata: { name: string } }[] };
  const pods = items.filter(({ kind }) => kind === "Pod").map(({ metadata }) => metadata.name);
  expect(pods.length).toBeGreaterThan(6);
  const logs = await Promise.all(pods.map((pod) => spawner.kubectl("logs", pod, "--all-containers")));
  for (const text of [objects, ...logs]) expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
});

async function urlsOfGateways(): Promise<string[]> {
  const ips = ["get", "pods", "--selector=spawner.dev/role=gateway", "--output=jsonpath={.items[*].status.podIP}"];
  const urls = (await spawner.kubectl(...ips)).split(" ").map((ip) => `http://${ip}:8080`);
  expect(urls).toHaveLength(2);
  return urls;
}

/** The name of the key that a token is signed with. */
function keyOf(token: string): unknown {
  const [header = ""] = token.split(".");
  return (JSON.parse(Buffer.from(header, "base64url").toString()) as { kid: unknown }).kid;
}

async function readiness(id: string): Promise<number> {
  const { status } = await fetch(`${spawner.apiUrl}/backend/${id}/ready`, { redirect: "manual" });
  return status;
}

async function statusOf(id: string): Promise<unknown> {
  return (await fetch(`${spawner.apiUrl}/backend/${id}/status`)).json();
}
