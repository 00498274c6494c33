import type { KubeList } from "../../packages/server/src/engine/kubernetes/objects.ts";
import type { Pod } from "../../packages/server/src/engine/kubernetes/pod-object.ts";
import type { Role } from "../../test/support/cluster/install.ts";
import { podsPath } from "./contenders.ts";
import type { Stage } from "./stage.ts";

export const roles: readonly Role[] = ["sweeper", "controller", "api", "gateway"];

/** What a process has for itself, and what is in memory for it, in MB. */
export interface Memory {
  readonly privateMB: number;
  readonly residentMB: number;
}

/** Of the first process of a container, by proc_pid_smaps_rollup(5). */
export async function memoryOf(
  pod: string,
  { stage, container }: { stage: Stage; container: string },
): Promise<Memory> {
  const text = await stage.spawner.kubectl(
    "exec",
    pod,
    `--container=${container}`,
    "--",
    "cat",
    "/proc/1/smaps_rollup",
  );
  const megabytes = (...fields: string[]) =>
    fields.reduce(
      (sum, field) => sum + Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN),
      0,
    ) / 1024;
  return { privateMB: megabytes("Private_Clean", "Private_Dirty"), residentMB: megabytes("Rss") };
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
