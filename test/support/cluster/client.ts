import type { KubeClient } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { openKubeClient } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { systemClock } from "../../../packages/server/src/lib/clock.ts";

/** Whoever KUBECONFIG says, in this namespace. To be closed. */
export function openAdminClient(namespace = "default"): Promise<KubeClient> {
  const kubeconfig = process.env.KUBECONFIG;
  if (kubeconfig === undefined) throw new Error("the tests on a cluster need its kubeconfig's path in KUBECONFIG");
  return openKubeClient({ kubeconfig, namespace, clock: systemClock });
}
