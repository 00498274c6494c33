import { isKubeError, type KubeClient } from "./kube-client.ts";
import { type PodEvent, readPodEvents } from "./pod-events.ts";
import type { Pod } from "./pod-object.ts";
import { applicationOf } from "./pod-view.ts";

/**
 * Why its node ended the Pod's program, as a sentence; undefined where it did not, so that the program went by itself. The Pod
 * says the code alone with which the program answered SIGTERM, which may well be 0. Events are read only where the Pod has
 * something by which a node ends programs.
 */
export async function readNodeKill(client: KubeClient, pod: Pod): Promise<string | undefined> {
  const { name = "", livenessProbe, startupProbe, lifecycle } = applicationOf(pod) ?? {};
  if (livenessProbe === undefined && startupProbe === undefined && lifecycle === undefined) return undefined;
  try {
    const events = await readPodEvents(client, pod);
    return nodeKillOf(events.filter(({ involvedObject }) => involvedObject?.fieldPath?.includes(`{${name}}`)));
  } catch (error) {
    // Not every role that looks at what has ended may read Events, and its end is recorded by one that may.
    if (isKubeError(error, "Forbidden")) return undefined;
    throw error;
  }
}

/**
 * What the events of a container say of it. That a probe failed is not enough: it may do so a few times.
 * https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
 */
function nodeKillOf(events: readonly PodEvent[]): string | undefined {
  const hook = events.findLast(({ reason }) => reason === "FailedPostStartHook");
  if (hook !== undefined) return describe("its postStart hook failed", hook.message);
  const killing = events.findLast(({ reason }) => reason === "Killing");
  const probe = /failed (liveness|startup) probe/.exec(killing?.message ?? "")?.[1];
  if (probe === undefined) return undefined;
  const failure = new RegExp(`^${probe} probe (failed|errored)`, "i");
  const last = events.findLast(({ reason, message = "" }) => reason === "Unhealthy" && failure.test(message));
  return describe(`its ${probe}Probe failed`, last?.message);
}

function describe(why: string, told = ""): string {
  const detail = told.trim().replace(/\.?$/, ".");
  return `The program was ended by its node, since ${why}${told === "" ? "." : `: ${detail}`}`;
}
