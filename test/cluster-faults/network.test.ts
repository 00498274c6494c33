import { expect, onTestFinished } from "vitest";
import { relayPortsOf } from "../../packages/server/src/core/relay-ports.ts";
import { endedAt, stateOf } from "../../packages/server/src/core/status.ts";
import type { KubeClient } from "../../packages/server/src/engine/kubernetes/index.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";
import { faultTest } from "../support/cluster/faults.ts";
import { breakNetwork, type NetFault } from "../support/cluster/net-fault.ts";
import { startController, startGateway, startSweeper } from "../support/cluster/roles.ts";
import { createSession, readSession, sessionSpec, untilState } from "../support/cluster/session.ts";
import { openStage } from "../support/cluster/stage.ts";
import { EchoClient, keepEchoing } from "../support/cluster/traffic.ts";

/** Longer than a stream may be silent, than a seal lasts, and than every request. */
const faultMs = 30_000;
/** All who are idle at all are so in the midst of the fault. */
const gracePeriodSeconds = 8;
/** When somebody comes whom the sweeper cannot see: his session has long been due then. */
const comesAfterMs = 14_000;
/** An attempt at the stream may have just been begun in vain: it is given up by its own deadline. */
const sweptWithinMs = 20_000;

const kinds: readonly NetFault["kind"][] = ["drop", "drop answers", "reset"];

/** What users do, and what has to come of it, while the way between the sweeper and three sidecars is broken. */
async function live(kind: NetFault["kind"], { client, gatewayUrl }: { client: KubeClient; gatewayUrl: string }) {
  const prefix = kind.replace(" ", "-");
  const [usedName, darkName, leftName] = [`${prefix}-used`, `${prefix}-dark`, `${prefix}-left`];
  const connect = async (name: string) => {
    const user = await EchoClient.open(`${gatewayUrl}/${name}/`);
    onTestFinished(() => user.close());
    return user;
  };
  const backends = await Promise.all(
    [usedName, darkName, leftName].map(async (name) => {
      await createSession(client, name, sessionSpec("echoes", { gracePeriodSeconds, firstClientSeconds: 600 }));
      return untilState(client, name, { state: "Ready", withinMs: 60_000 });
    }),
  );
  const used = await connect(usedName);
  for (const name of [darkName, leftName]) (await connect(name)).close();

  const beganMs = performance.now();
  const mends = backends.map(({ spec, status }) => {
    const mend = breakNetwork({ ip: status.podIP ?? "", port: relayPortsOf(spec).controlPort, kind });
    onTestFinished(mend);
    return mend;
  });
  const echoing = keepEchoing([used], { untilMs: beganMs + faultMs });
  await new Promise((resolve) => setTimeout(resolve, comesAfterMs));
  const inTheDark = await connect(darkName);
  await Promise.all([echoing, keepEchoing([inTheDark], { untilMs: beganMs + faultMs })]);
  for (const mend of mends) mend();

  const mendedMs = Date.now();
  const left = await untilState(client, leftName, { state: "Swept", withinMs: sweptWithinMs });
  console.log(`${kind}: swept ${(endedAt(left)?.getTime() ?? 0) - mendedMs} ms after the fault`);
  expect(left.status.reason).toBe("Idle");
  await keepEchoing([used, inTheDark], { untilMs: performance.now() + 1_000 });
  for (const name of [usedName, darkName]) {
    const backend = await readSession(client, name);
    expect(backend && stateOf(backend), name).toBe("Ready");
  }
  // When he has left as well, the session is over as any other.
  inTheDark.close();
  await untilState(client, darkName, { state: "Swept", withinMs: gracePeriodSeconds * 1000 + sweptWithinMs });
}

faultTest(
  "half a minute without a way between sweeper and sidecar: nothing is swept by mistake, and what is idle is soon after",
  async () => {
    const { client, namespace, defer } = await openStage();
    defer(await startController({ namespace, log: silentLog }));
    defer(await startSweeper({ namespace, log: silentLog }));
    const gateway = defer(await startGateway({ namespace, log: silentLog }));
    await Promise.all(kinds.map((kind) => live(kind, { client, gatewayUrl: gateway.url })));
  },
  180_000,
);
