import type { KubeList } from "../../packages/server/src/engine/kubernetes/objects.ts";
import type { Pod } from "../../packages/server/src/engine/kubernetes/pod-object.ts";
import type { Role } from "../../test/support/cluster/install.ts";
import { podsPath } from "./contenders.ts";
import type { Stage } from "./stage.ts";

const roles: readonly Role[] = ["sweeper", "controller", "api", "gateway"];

/** What a process has for itself, and what is in memory for it, in MB. */
export interface Memory {
  readonly privateMB: number;
  readonly residentMB: number;
}

/** Prints proc_pid_smaps_rollup(5) of a container's first process and of its children, which what is run by `exec` is not. */
const script = "for pid in 1 $(cat /proc/1/task/1/children); do cat /proc/$pid/smaps_rollup; done";

/** Of all that a container is there to run: where a shell starts its program, of both. */
export async function memoryOf(
  pod: string,
  { stage, container }: { stage: Stage; container: string },
): Promise<Memory> {
  const text = await stage.spawner.kubectl("exec", pod, `--container=${container}`, "--", "sh", "-c", script);
  const megabytes = (field: RegExp) => [...text.matchAll(field)].reduce((sum, [, kB]) => sum + Number(kB), 0) / 1024;
  return { privateMB: megabytes(/^Private_(?:Clean|Dirty):\s+(\d+)/gm), residentMB: megabytes(/^Rss:\s+(\d+)/gm) };
}

/** Of one process of each role. */
export async function memoryOfRoles(stage: Stage): Promise<Record<Role, Memory>> {
  const entries = await Promise.all(
    roles.map(async (role) => {
      const [pod = ""] = await podsOfRole(role, stage);
      return [role, await memoryOf(pod, { stage, container: role })] as const;
    }),
  );
  return Object.fromEntries(entries) as Record<Role, Memory>;
}

/** Names of those that are not about to go. */
export async function podsOfRole(role: Role, { client }: Stage): Promise<string[]> {
  const query = { labelSelector: `spawner.dev/role=${role}` };
  const { items } = await client.json<KubeList<Pod>>({ method: "GET", path: podsPath(client), query });
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name);
}
