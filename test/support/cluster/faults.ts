import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { test } from "vitest";
import type { KubeClient } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { eventually } from "./eventually.ts";
import { testImage } from "./overlay.ts";

/** A program that breaks and mends parts of the cluster: `COMMAND PART pause|resume|kill|start`, and `COMMAND etcd compact`. */
const command = process.env.SPAWNER_TEST_FAULT || undefined;

type Part = "apiserver" | "etcd" | "kubelet" | "scheduler" | "controller-manager";
const mendingOf = { pause: "resume", kill: "start" } as const;
type Breaking = keyof typeof mendingOf;

/** A test that breaks parts of the cluster: skipped where nothing can do that. */
export const faultTest: typeof test = command === undefined ? withReason() : test;

/** Does something while a part of the cluster is broken, and mends it, whatever comes of it. */
export async function whileBroken<Result>(
  part: Part,
  { by }: { by: Breaking },
  act: () => Promise<Result>,
): Promise<Result> {
  await fault(part, by);
  try {
    return await act();
  } finally {
    await fault(part, mendingOf[by]);
  }
}

/** Makes every resource version until now expire, for watches of API servers that start later. */
export async function compactHistory(): Promise<void> {
  await fault("etcd", "compact");
}

/** Runs a Pod of the test's own: when that can be, all of the cluster has found its way back. */
export async function untilPodsRun(client: KubeClient): Promise<void> {
  const path = `/api/v1/namespaces/${client.namespace}/pods`;
  const container = { name: "sleeps", image: testImage, imagePullPolicy: "IfNotPresent", command: ["sleep", "600"] };
  const spec = { containers: [container], terminationGracePeriodSeconds: 1 };
  const metadata = { name: `probe-${randomUUID().slice(0, 8)}` };
  await eventually(() => client.json({ method: "POST", path, body: { metadata, spec } }), 60_000);
  await eventually(async () => {
    const { status } = await client.json<{ status: { phase: string } }>({
      method: "GET",
      path: `${path}/${metadata.name}`,
    });
    if (status.phase !== "Running") throw new Error(`a Pod of the test's own is ${status.phase}`);
  }, 90_000);
}

async function fault(part: Part, action: string): Promise<void> {
  if (command === undefined) throw new Error("SPAWNER_TEST_FAULT names no program");
  await promisify(execFile)(command, [part, action]);
}

function withReason(): typeof test {
  const skip = (name: string, ...rest: unknown[]) =>
    Reflect.apply(test.skip, undefined, [`${name} (skipped: SPAWNER_TEST_FAULT names no program that can)`, ...rest]);
  return skip as typeof test;
}
