import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { test } from "vitest";

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

async function fault(part: Part, action: string): Promise<void> {
  if (command === undefined) throw new Error("SPAWNER_TEST_FAULT names no program");
  await promisify(execFile)(command, [part, action]);
}

function withReason(): typeof test {
  const skip = (name: string, ...rest: unknown[]) =>
    Reflect.apply(test.skip, undefined, [`${name} (skipped: SPAWNER_TEST_FAULT names no program that can)`, ...rest]);
  return skip as typeof test;
}
