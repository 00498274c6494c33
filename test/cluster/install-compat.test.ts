import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/cluster/eventually.ts";
import { type Installation, install } from "../support/cluster/install.ts";
import { EchoClient } from "../support/cluster/traffic.ts";

let spawner: Installation;
beforeAll(async () => {
  // The machine of a test has little to reserve.
  const path = "/spec/template/spec/containers/0/resources/requests/cpu";
  const patch = JSON.stringify([{ op: "replace", path, value: "10m" }]);
  spawner = await install({
    of: "overlays/compat-0.1.9",
    patches: [{ target: { kind: "(Deployment|DaemonSet)" }, patch }],
  });
});
afterAll(() => spawner?.dispose());

test("with the overlay for 0.1.9 a session is at /p/<id>/, and has its Service, the label of its node and an Event a state", async () => {
  const id = await spawner.spawn();
  const user = await EchoClient.open(`${spawner.gatewayUrl}/p/${id}/`);
  await user.echo("hello");
  user.close();
  const name = `spawner-${id}`;
  const get = (path: string, ...args: string[]) => spawner.kubectl("get", ...args, `--output=jsonpath={${path}}`);
  expect(await get(".spec.selector.run", "service", name)).toBe(name);
  const node = await get(".spec.nodeName", "pod", name);
  await eventually(async () => expect(await get(".metadata.labels.spawnerGroup", "slab", name)).toBe(node));
  const selector = `--field-selector=involvedObject.name=${name},involvedObject.kind=SessionLivedBackend`;
  await eventually(async () => {
    const actions = await get(".items[*].action", "events", selector);
    expect(actions.split(" ")).toEqual(expect.arrayContaining(["Constructed", "Scheduled", "Running", "Ready"]));
  });
});
