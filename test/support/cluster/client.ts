import type { KubeClient } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { openKubeClient } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { type Clock, systemClock } from "../../../packages/server/src/lib/clock.ts";

/**
 * How many times as long as a role the tests wait for an answer: what they ask is no part of what they show. All of the clock
 * is slower, so that a wait between two attempts (`Retry-After`) does not use up the time for both.
 */
const patience = 10;
const patientClock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() / patience,
  after: (delayMs, callback) => systemClock.after(delayMs * patience, callback),
};

/** Whoever KUBECONFIG says, in this namespace. To be closed. */
export function openAdminClient(namespace = "default"): Promise<KubeClient> {
  const kubeconfig = process.env.KUBECONFIG;
  if (kubeconfig === undefined) throw new Error("the tests on a cluster need its kubeconfig's path in KUBECONFIG");
  return openKubeClient({ kubeconfig, namespace, clock: patientClock });
}
