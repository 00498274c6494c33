import { HttpsKubeClient, type KubeClient, openKubeClient, UnsupportedLogin } from "../engine/kubernetes/index.ts";
import { systemClock } from "../lib/clock.ts";
import { examine } from "./doctor/examine.ts";
import type { Finding } from "./doctor/finding.ts";

interface ClusterFlags {
  namespace?: string;
  kubeconfig?: string;
}

/** Rejects where nothing says how to reach a cluster. */
export async function runDoctor(flags: ClusterFlags): Promise<Finding[]> {
  const client = await openClient(flags);
  try {
    const isInCluster = process.env.KUBERNETES_SERVICE_HOST !== undefined;
    return await examine(client, { clock: systemClock, isInCluster });
  } finally {
    client.close();
  }
}

/** Where a person has to log in by a program or by OIDC, the official client does that. */
async function openClient(flags: ClusterFlags): Promise<KubeClient> {
  try {
    return await openKubeClient({ ...flags, clock: systemClock });
  } catch (error) {
    if (!(error instanceof UnsupportedLogin)) throw error;
    const { logIn } = await import("./cluster.ts"); // here, since few need it
    return new HttpsKubeClient(await logIn(flags), { clock: systemClock });
  }
}
