import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Lease } from "../../packages/server/src/engine/kubernetes/lease.ts";
import { end, type Start, start } from "./contenders.ts";
import { podsOfRole } from "./memory.ts";
import { type Stage, untilReady, waitMsMax } from "./stage.ts";

export interface Takeover {
  /** From when the leader was about to be killed until there was the Pod of a session that was asked for after its death. */
  readonly actsMs: number;
  /** Asked for while the leader died, so that its death came at each step of a start. */
  readonly sessions: number;
  /** What there is that there should not be. */
  readonly doubled: readonly string[];
}

const sessionsMax = 8;
const sessionEveryMs = 60;
const endHard = readFileSync(new URL("../programs/end-hard.mjs", import.meta.url), "utf8");

/** The rest asks for one controller; here there is one that stands by. */
export async function haveTwoControllers({ spawner }: Stage): Promise<void> {
  await spawner.kubectl("scale", "deployment/spawner-controller", "--replicas=2");
  await spawner.kubectl("rollout", "status", "deployment/spawner-controller", "--timeout=120s");
}

/** Kills the controller that leads, while sessions are being started. */
export async function measureTakeover(stage: Stage): Promise<Takeover> {
  const leader = await leaderOf(stage);
  const starts: Start[] = [];
  try {
    const killMs = performance.now();
    let isDead = false;
    const killed = killFirstProcess(leader, stage).finally(() => {
      isDead = true;
    });
    while (!isDead && starts.length < sessionsMax) {
      starts.push(await start("Spawner", stage));
      await sleep(sessionEveryMs);
    }
    await killed;
    const first = await start("Spawner", stage);
    starts.push(first);
    const { atMs } = await stage.pods.until(first.name, () => true, { withinMs: waitMsMax });
    await Promise.all(starts.map(({ name }) => untilReady(name, stage)));
    const doubled = starts.flatMap(({ name }) => {
      const { size } = stage.pods.generationsOf(name);
      return size === 1 ? [] : [`${size} Pods of ${name}`];
    });
    return { actsMs: atMs - killMs, sessions: starts.length, doubled };
  } finally {
    await Promise.all(starts.map((each) => end(each, stage)));
    await Promise.all(starts.map(({ name }) => stage.pods.untilGone(name, { withinMs: waitMsMax })));
  }
}

async function killFirstProcess(pod: string, { spawner }: Stage): Promise<void> {
  // The command may fail: its container goes while it runs.
  await spawner.kubectl("exec", pod, "--", "node", "--input-type=module", "--eval", endHard).catch(() => {});
}

/** The Pod whose process holds the Lease: its identity begins with the Pod's name. */
async function leaderOf(stage: Stage): Promise<string> {
  const { client } = stage;
  const path = `/apis/coordination.k8s.io/v1/namespaces/${client.namespace}/leases/spawner-controller`;
  const { spec } = await client.json<Lease>({ method: "GET", path });
  const holder = spec?.holderIdentity ?? "";
  const leader = (await podsOfRole("controller", stage)).find((pod) => holder.startsWith(pod));
  if (leader === undefined) throw new Error(`no controller's Pod is ${JSON.stringify(holder)}, who holds the lease`);
  return leader;
}
