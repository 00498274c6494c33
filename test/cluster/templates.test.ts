import type { ConnectRequest, ConnectResponse, ErrorBody } from "@spawner/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { open, post } from "../support/cluster/connected.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { type Installation, install, spawnRequestFor } from "../support/cluster/install.ts";

/** A template of the echo program, in this version. */
function template(version: string): string {
  const resources = { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } };
  const container = { name: "echo", resources, env: [{ name: "VERSION", value: version }] };
  const pod = { containers: [container], nodeSelector: { "kubernetes.io/os": "linux" } };
  return JSON.stringify({ ...spawnRequestFor("echo-program.mjs"), template: pod });
}

let spawner: Installation;
beforeAll(async () => {
  const configMap = { metadata: { name: "spawner-templates" }, data: { "echo.yaml": template("1") } };
  spawner = await install({
    of: "overlays/local",
    components: ["templates"],
    objects: [{ apiVersion: "v1", kind: "ConfigMap", ...configMap }],
  });
});
afterAll(() => spawner?.dispose());

const connect = (request: ConnectRequest) =>
  eventually(async () => {
    const answer = await post(spawner.apiUrl, "/connect", { key: "doc", user: "ada", waitReady: true, ...request });
    const text = await answer.text();
    expect(answer.status, text).toBe(200); // 503 until there are keys
    return JSON.parse(text) as ConnectResponse;
  });

async function versionOf({ backend, token }: ConnectResponse): Promise<string | undefined> {
  const { body } = await open(`${spawner.gatewayUrl}/${backend}/`, { authorization: `Bearer ${token}` });
  return (JSON.parse(body) as { env: Record<string, string> }).env.VERSION;
}

test("callers start what a mounted template says, choose no image, and an edited one makes the live backend stale", async () => {
  const first = await connect({ template: "echo" });
  expect(await versionOf(first)).toBe("1");
  const pod = JSON.parse(await spawner.kubectl("get", "pod", `spawner-${first.backend}`, "--output=json"));
  expect(pod.spec).toMatchObject({
    nodeSelector: { "kubernetes.io/os": "linux" },
    containers: [{ name: "echo", resources: { limits: { memory: "128Mi" } } }],
  });
  const other = await connect({ template: "echo", key: "other", env: { TITLE: "$(VERSION) $$" } });
  const echoed = await open(`${spawner.gatewayUrl}/${other.backend}/`, { authorization: `Bearer ${other.token}` });
  expect(JSON.parse(echoed.body)).toMatchObject({ env: { TITLE: "$(VERSION) $$", VERSION: "1" } });
  const code = await post(spawner.apiUrl, "/spawn", { template: "echo", env: { NODE_OPTIONS: "--inspect" } });
  expect([code.status, ((await code.json()) as ErrorBody).message]).toEqual([
    400,
    expect.stringMatching(/^env\.NODE_OPTIONS is not for callers to set/),
  ]);
  for (const request of [{ image: "nginx" }, { image: "nginx", template: "echo" }]) {
    const refused = await post(spawner.apiUrl, "/spawn", request);
    expect(refused.status).toBe(400);
    expect(((await refused.json()) as ErrorBody).message).toMatch(
      /^image cannot be chosen here .* known are "echo"\.$/,
    );
  }

  const data = { "echo.yaml": template("2"), "broken.yaml": "imagee: x" };
  await spawner.kubectl("patch", "configmap", "spawner-templates", "--patch", JSON.stringify({ data }));
  // The kubelet brings a ConfigMap's change at its next look at the Pod: a minute later, or at once where that changes too.
  await spawner.kubectl("annotate", "pods", "--selector=spawner.dev/role=api", "test=look");
  const edited = await eventually(async () => {
    const connected = await connect({ template: "echo", onSpecChange: "keep" });
    expect(connected).toMatchObject({ stale: true, spawned: false, generation: first.generation });
    return connected;
  }, 120_000);
  expect(await versionOf(edited)).toBe("1");
  const next = await connect({ template: "echo", onSpecChange: "now" });
  expect(next).toMatchObject({ stale: false, spawned: true });
  expect(await versionOf(next)).toBe("2");
  expect(await spawner.kubectl("logs", "deployment/spawner-api")).toMatch(
    /broken\.yaml: unknown field \\"imagee\\".*templates are left as they were/,
  );
});
