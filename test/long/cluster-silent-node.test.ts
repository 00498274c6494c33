import { expect, onTestFinished } from "vitest";
import { run as runController } from "../../packages/server/src/controller/index.ts";
import { relayPortsOf } from "../../packages/server/src/core/relay-ports.ts";
import { stateOf } from "../../packages/server/src/core/status.ts";
import { KubernetesEngine } from "../../packages/server/src/engine/kubernetes/index.ts";
import { systemClock as clock } from "../../packages/server/src/lib/clock.ts";
import { silentLog as log } from "../../packages/server/src/lib/log.ts";
import { Metrics } from "../../packages/server/src/lib/metrics.ts";
import { applyCrd } from "../support/cluster/apply-crd.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { faultTest, whileBroken } from "../support/cluster/faults.ts";
import { makeNamespace } from "../support/cluster/namespace.ts";
import { breakNetwork } from "../support/cluster/net-fault.ts";
import { testImage } from "../support/cluster/overlay.ts";
import { createSession, podsOf, readSession, sessionSpec, untilState } from "../support/cluster/session.ts";

const nodeLostSeconds = 5;
/** A session that answers is left alone for longer than one that does not. */
const watchedMs = 3 * nodeLostSeconds * 1000;
/** The control plane takes 50 s to miss a node. */
const missedWithinMs = 120_000;

interface PodConditions {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

faultTest(
  "of the sessions of a node that is not heard of only those end that do not answer either",
  async () => {
    const { name: namespace, client, dispose } = await makeNamespace();
    onTestFinished(dispose);
    await applyCrd(client);
    const pods = { sidecarImage: testImage, nodeLostSeconds };
    const engine = await KubernetesEngine.open({ client, clock, log, controlKey: () => "key", pods });
    const deps = { engine, clock, log, metrics: new Metrics() };
    const controller = runController({ retainSeconds: 3_600, recordsMax: 100, concurrency: 4 }, deps);
    onTestFinished(() => controller.close().then(() => engine.close()));

    const names = ["answers", "silent"];
    // Nobody sweeps here, so that neither is ever said to be ready.
    const spec = sessionSpec("echoes", { startupTimeoutSeconds: 600 });
    for (const name of names) await createSession(client, name, spec);
    const [, silent] = await Promise.all(names.map((name) => untilState(client, name, { state: "Running" })));
    const states = () =>
      Promise.all(names.map(async (name) => stateOf((await readSession(client, name)) ?? expect.fail())));

    await whileBroken("kubelet", { by: "pause" }, async () => {
      await eventually(async () => {
        const path = `/api/v1/namespaces/${namespace}/pods/silent`;
        const { status } = await client.json<PodConditions>({ method: "GET", path });
        expect(status.conditions.find(({ type }) => type === "Ready")).toMatchObject({ status: "False" });
      }, missedWithinMs);
      await new Promise((resolve) => setTimeout(resolve, watchedMs));
      expect(await states()).toEqual(["Running", "Running"]);

      const { servePort } = relayPortsOf(spec);
      onTestFinished(breakNetwork({ ip: silent?.status.podIP ?? "", port: servePort, kind: "drop" }));
      const { status } = await untilState(client, "silent", { state: "Failed" });
      expect(status).toMatchObject({ reason: "NodeLost", message: expect.stringContaining("has been heard of") });
      // Its node does nothing, and its name is free all the same.
      await eventually(async () => expect(await podsOf(client)).toEqual(["answers"]));
      expect(await states()).toEqual(["Running", "Failed"]);
    });
  },
  300_000,
);
