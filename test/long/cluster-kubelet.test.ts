import { expect, onTestFinished } from "vitest";
import { stateOf } from "../../packages/server/src/core/status.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { faultTest, whileBroken } from "../support/cluster/faults.ts";
import { startController, startGateway, startSweeper } from "../support/cluster/roles.ts";
import { createSession, readSession, sessionSpec, untilState } from "../support/cluster/session.ts";
import { openStage } from "../support/cluster/stage.ts";
import { EchoClient, keepEchoing } from "../support/cluster/traffic.ts";

/** The node counts as not ready after some 50 s; what would end its sessions is to have had its chance. */
const silentMs = 120_000;

interface Node {
  readonly metadata: { readonly name: string };
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

faultTest(
  "a kubelet that says nothing any more ends nothing: sidecars are reached, and so are sessions",
  async () => {
    const { client, namespace, defer } = await openStage();
    defer(await startController({ namespace }));
    defer(await startSweeper({ namespace }));
    const gateway = defer(await startGateway({ namespace }));
    for (const [name, gracePeriodSeconds] of [
      ["used", 1],
      ["waiting", 600],
      ["left", 60],
    ] as const) {
      await createSession(client, name, sessionSpec("echoes", { gracePeriodSeconds, firstClientSeconds: 60 }));
    }
    const used = await untilState(client, "used", { state: "Ready" });
    const user = await EchoClient.open(`${gateway.url}/used/`);
    onTestFinished(() => user.close());
    await Promise.all(["waiting", "left"].map((name) => untilState(client, name, { state: "Ready" })));

    const isNodeReady = async () => {
      const node = await client.json<Node>({ method: "GET", path: `/api/v1/nodes/${used.status.nodeName}` });
      return node.status.conditions.find(({ type }) => type === "Ready")?.status === "True";
    };
    await whileBroken("kubelet", { by: "pause" }, async () => {
      await keepEchoing([user], { untilMs: performance.now() + silentMs });
      expect(await isNodeReady(), "the cluster has noticed").toBe(false);
      for (const name of ["used", "waiting"]) {
        const backend = await readSession(client, name);
        expect(backend && stateOf(backend), backend?.status.message).toBe("Ready");
      }
      // Idle is idle: only the sidecar says that.
      await untilState(client, "left", { state: "Swept" });
    });
    await eventually(async () => expect(await isNodeReady()).toBe(true), 60_000);
    await user.echo("still here");
  },
  360_000,
);
