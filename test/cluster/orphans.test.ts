import { expect, test } from "vitest";
import { eventually } from "../support/cluster/eventually.ts";
import { kubectl } from "../support/cluster/kubectl.ts";
import { createSession, podsOf, sessionSpec, untilState } from "../support/cluster/session.ts";
import { openStage } from "../support/cluster/stage.ts";
import { runSpawner } from "../support/dev.ts";

test("a Pod that is left by --cascade=orphan is let be, told of once, and named by the doctor with what ends it", async () => {
  const { namespace, client, start } = await openStage();
  const controller = await start("controller");
  await createSession(client, "left", sessionSpec("echoes"));
  await untilState(client, "left", { state: "Running" });
  await kubectl(["delete", "slab", "left", "--namespace", namespace, "--cascade=orphan"]);

  const told = () =>
    controller
      .log()
      .split("\n")
      .filter((line) => line.includes("nobody ends the Pod"));
  await eventually(() => expect(told()).toHaveLength(1));
  const command = `kubectl delete pod left --namespace ${namespace}`;
  expect(JSON.parse(told()[0] ?? "")).toMatchObject({ level: 40, pod: "left", advice: command });

  const { output, exited } = runSpawner(["doctor", "--namespace", namespace]);
  await exited;
  expect(output.text).toContain(`kubectl delete pods --namespace ${namespace} left\n`);
  expect(await podsOf(client)).toContain("left");

  // The status of a Pod changes, and nothing more is said of it.
  await kubectl(command.split(" ").slice(1));
  await eventually(async () => expect(await podsOf(client)).not.toContain("left"));
  expect(told()).toHaveLength(1);
});
