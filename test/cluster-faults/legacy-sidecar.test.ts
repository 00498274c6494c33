import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { stateOf } from "../../packages/server/src/core/status.ts";
import { applyCrd } from "../support/cluster/apply-crd.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { faultTest } from "../support/cluster/faults.ts";
import { makeNamespace, type TestNamespace } from "../support/cluster/namespace.ts";
import { breakNetwork } from "../support/cluster/net-fault.ts";
import { startSweeper } from "../support/cluster/roles.ts";
import { readSession, untilState } from "../support/cluster/session.ts";
import { EchoClient } from "../support/cluster/traffic.ts";
import { LegacyController } from "../support/compat/controller-019.ts";
import { legacySpec } from "../support/compat/legacy-spec.ts";

/** Longer than a connection of which nothing comes back is believed in, and several times the grace period. */
const faultMs = 30_000;

let namespace: TestNamespace;
beforeAll(async () => {
  namespace = await makeNamespace("spawner-compat");
  await applyCrd(namespace.client);
});
afterAll(() => namespace?.dispose());

for (const kind of ["drop", "drop answers"] as const) {
  faultTest(
    `a session of 0.1.9 from whose sidecar nothing is heard (${kind}) is swept only when it says so again`,
    async () => {
      const { client } = namespace;
      const name = kind.replace(" ", "-");
      const legacy = new LegacyController(client);
      const slab = await legacy.create(name, legacySpec({ gracePeriodSeconds: 5 }));
      await legacy.workUntil(slab, "running");
      const { status } = (await readSession(client, name)) ?? {};
      const user = await eventually(() => EchoClient.open(`http://${status?.ip}:9090/`));
      onTestFinished(() => user.close());
      const sweeper = await startSweeper({ namespace: namespace.name });
      onTestFinished(() => sweeper.close());
      await untilState(client, name, { state: "Ready" });

      const path = `/api/v1/namespaces/${namespace.name}/pods/${name}`;
      const pod = await client.json<{ status: { podIP: string } }>({ method: "GET", path });
      const mend = breakNetwork({ ip: pod.status.podIP, port: 9090, kind });
      onTestFinished(mend);
      await new Promise((resolve) => setTimeout(resolve, faultMs));
      mend();
      await user.echo("still there", { withinMs: 60_000 });
      const after = await readSession(client, name);
      expect(after && stateOf(after)).toBe("Ready");

      user.leave();
      const swept = await untilState(client, name, { state: "Swept" });
      expect(swept.status.reason).toBe("Idle");
    },
  );
}
