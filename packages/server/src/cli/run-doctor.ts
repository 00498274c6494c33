import { openKubeClient } from "../engine/kubernetes/index.ts";
import { systemClock } from "../lib/clock.ts";
import { examine } from "./doctor/examine.ts";
import type { Finding } from "./doctor/finding.ts";

/** Rejects where nothing says how to reach a cluster. */
export async function runDoctor(flags: { namespace?: string; kubeconfig?: string }): Promise<Finding[]> {
  const client = await openKubeClient({ ...flags, clock: systemClock });
  try {
    const isInCluster = process.env.KUBERNETES_SERVICE_HOST !== undefined;
    return await examine(client, { clock: systemClock, isInCluster });
  } finally {
    client.close();
  }
}
