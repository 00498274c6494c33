import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { sidecarName } from "../../packages/server/src/engine/kubernetes/pod-names.ts";
import { sidecarSecurity } from "../../packages/server/src/engine/kubernetes/pod-security.ts";
import { testImage } from "../../test/support/cluster/overlay.ts";
import { end, podsPath, start } from "./contenders.ts";
import { type Memory, memoryOf } from "./memory.ts";
import { type Stage, untilReady, waitMsMax } from "./stage.ts";

export interface SidecarStart {
  readonly sidecarMs: readonly number[];
  /** Of a Node that only listens. */
  readonly bareMs: readonly number[];
}

/** Memory is looked at when nothing has happened for so long. */
const settleMs = 3_000;

const source = readFileSync(new URL("../programs/sidecar-start.mjs", import.meta.url), "utf8");

/** From start to serving, in turn in one Pod that does nothing else, so that starting a container is no part of it. */
export async function measureSidecarStart({ client, pods, spawner }: Stage, rounds: number): Promise<SidecarStart> {
  const name = `sidecar-start-${randomUUID().slice(0, 8)}`;
  const command = ["node", "--input-type=module", "--eval", source, String(rounds)];
  const container = { name: "starts", image: testImage, command, securityContext: sidecarSecurity };
  const spec = { restartPolicy: "Never", enableServiceLinks: false, containers: [container] };
  await client.json({ method: "POST", path: podsPath(client), body: { metadata: { name }, spec } });
  const isOver = ["Succeeded", "Failed"];
  await pods.until(name, ({ status }) => isOver.includes(status?.phase ?? ""), { withinMs: waitMsMax });
  const output = await spawner.kubectl("logs", name);
  await client.json({ method: "DELETE", path: `${podsPath(client)}/${name}` });
  return JSON.parse(output) as SidecarStart;
}

/** Of sidecars whose programs listen, and to which nobody comes. */
export async function measureSidecarMemory(stage: Stage, count: number): Promise<Memory[]> {
  const starts = await Promise.all(Array.from({ length: count }, () => start("Spawner", stage)));
  try {
    await Promise.all(starts.map(({ name }) => untilReady(name, stage)));
    await sleep(settleMs);
    return await Promise.all(starts.map(({ name }) => memoryOf(name, { stage, container: sidecarName })));
  } finally {
    await Promise.all(starts.map((each) => end(each, stage)));
    await Promise.all(starts.map(({ name }) => stage.pods.untilGone(name, { withinMs: waitMsMax })));
  }
}
