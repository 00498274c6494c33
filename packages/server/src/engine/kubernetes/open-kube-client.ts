import type { Clock } from "../../lib/clock.ts";
import { HttpsKubeClient } from "./https-kube-client.ts";
import type { KubeClient } from "./kube-client.ts";
import { type KubeConfigOptions, loadKubeConfig } from "./kube-config.ts";

export interface OpenKubeClientOptions extends KubeConfigOptions {
  readonly clock: Clock;
}

/**
 * A client for the cluster that the options or the surroundings name: a Pod's service account, else a kubeconfig with a
 * certificate or a token. Rejects with `invalid_request` where nothing says how to reach one; connects when first asked.
 */
export async function openKubeClient({ clock, ...options }: OpenKubeClientOptions): Promise<KubeClient> {
  return new HttpsKubeClient(await loadKubeConfig(options), { clock });
}
