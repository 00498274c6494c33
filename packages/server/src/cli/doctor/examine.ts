import { type KubeClient, KubernetesEngine } from "../../engine/kubernetes/index.ts";
import type { Clock } from "../../lib/clock.ts";
import { silentLog } from "../../lib/log.ts";
import { checkAccess } from "./check-access.ts";
import { checkCrd } from "./check-crd.ts";
import { checkKeys } from "./check-keys.ts";
import { checkOrphans } from "./check-orphans.ts";
import { checkRoles } from "./check-roles.ts";
import { checkServer } from "./check-server.ts";
import { checkSidecars } from "./check-sidecars.ts";
import type { Finding } from "./finding.ts";

/** Looks at everything that Spawner needs of a cluster, and changes nothing. */
export async function examine(
  client: KubeClient,
  { clock, isInCluster }: { clock: Clock; isInCluster: boolean },
): Promise<Finding[]> {
  const server = await checkServer(client, clock);
  if (server.some(({ level, subject }) => level === "wrong" && subject === "API server")) return server;
  const engine = await KubernetesEngine.open({ client, clock, log: silentLog, controlKey: () => undefined });
  try {
    const rest = await Promise.all([
      checkCrd(client),
      checkAccess(client),
      checkKeys(client),
      checkRoles(client),
      checkSidecars(engine, { isInCluster }),
      checkOrphans(client),
    ]);
    return [...server, ...rest.flat()];
  } finally {
    await engine.close();
  }
}
