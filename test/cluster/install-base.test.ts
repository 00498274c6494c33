import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/cluster/eventually.ts";
import { type Installation, install, spawnRequestFor } from "../support/cluster/install.ts";

const token = "a-token-of-enough-length";

let spawner: Installation;
beforeAll(async () => {
  // The machine of a test has little to reserve.
  const path = "/spec/template/spec/containers/0/resources/requests/cpu";
  const patch = JSON.stringify([{ op: "replace", path, value: "10m" }]);
  spawner = await install({
    of: "overlays/ingress",
    tokens: token,
    patches: [{ target: { kind: "(Deployment|DaemonSet)" }, patch }],
  });
});
afterAll(() => spawner?.dispose());

test("the API lets those start sessions who have a token of the Secret, and tells them the public URL", async () => {
  expect((await spawn({})).status).toBe(401);
  expect((await spawn({ authorization: "Bearer another-token-of-enough-length" })).status).toBe(401);
  const answer = await spawn({ authorization: `Bearer ${token}` });
  expect(answer.status).toBe(200);
  const { name } = (await answer.json()) as { name: string };
  const ready = () => fetch(`${spawner.apiUrl}/backend/${name}/ready`, { redirect: "manual" });
  // Either api answers, each when it has heard of it.
  const redirect = await eventually(async () => {
    const answered = await ready();
    expect(answered.status).toBe(302);
    return answered;
  });
  expect(redirect.headers.get("location")).toBe(`https://spawner.example.com/${name}/`);
});

test("a program learns that its users come by TLS", async () => {
  const answer = await spawn({ authorization: `Bearer ${token}` });
  const { name } = (await answer.json()) as { name: string };
  const echo = await fetch(`${spawner.gatewayUrl}/${name}/`);
  expect(await echo.json()).toMatchObject({
    headers: { "x-forwarded-proto": "https", "x-forwarded-prefix": `/${name}` },
  });
});

test("of two controllers, one leads", async () => {
  const selector = "--selector=spawner.dev/role=controller";
  const ips = await spawner.kubectl("get", "pods", selector, "--output=jsonpath={.items[*].status.podIP}");
  const leads = async (ip: string) => {
    const metrics = await (await fetch(`http://${ip}:8081/metrics`)).text();
    return /^spawner_leader (\d)$/m.exec(metrics)?.[1];
  };
  await eventually(async () => {
    const leading = await Promise.all(ips.split(" ").map(leads));
    expect(leading.toSorted()).toEqual(["0", "1"]);
  });
});

function spawn(headers: Record<string, string>): Promise<Response> {
  return fetch(`${spawner.apiUrl}/spawn`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(spawnRequestFor("echo-program.mjs")),
  });
}
