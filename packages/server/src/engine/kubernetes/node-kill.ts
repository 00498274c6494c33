import { isKubeError, type KubeClient } from "./kube-client.ts";
import { type PodEvent, readPodEvents } from "./pod-events.ts";
import type { Pod } from "./pod-object.ts";
import { applicationOf } from "./pod-view.ts";

/** Whether the Pod has something by which a node ends programs. */
export function mayBeKilled(pod: Pod): boolean {
  const { livenessProbe, startupProbe, lifecycle } = applicationOf(pod) ?? {};
  return livenessProbe !== undefined || startupProbe !== undefined || lifecycle?.postStart !== undefined;
}

/**
 * Why its node ended the Pod's program, as a sentence; undefined where nothing is said of that, so that the program went by itself
 * or it is not said yet. The Pod says the code alone with which the program answered SIGTERM, which may well be 0.
 */
export async function readNodeKill(client: KubeClient, pod: Pod): Promise<string | undefined> {
  const name = applicationOf(pod)?.name ?? "";
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
 * What the events of a container say of it. That a probe failed is not enough: it may do so a few times before its node stops the
 * container, which is told without a reason. Of a Pod that is deleted it is told too, but how such a program ends is no end here.
 * https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
 */
function nodeKillOf(events: readonly PodEvent[]): string | undefined {
  const hook = events.findLast(({ reason }) => reason === "FailedPostStartHook");
  if (hook !== undefined) return describe("its postStart hook failed", hook.message);
  if (!events.some(({ reason }) => reason === "Killing")) return undefined;
  const failures = events.filter(({ reason }) => reason === "Unhealthy").map(({ message = "" }) => message);
  const last = failures.findLast((message) => fatalProbe.test(message));
  const probe = last === undefined ? undefined : fatalProbe.exec(last)?.[1]?.toLowerCase();
  return probe === undefined ? undefined : describe(`its ${probe}Probe failed`, last);
}

/** A readiness probe ends nothing. */
const fatalProbe = /^(Liveness|Startup) probe /;

function describe(why: string, told = ""): string {
  const detail = told.replace(/[.:\s]*$/, ".");
  return `The program was ended by its node, since ${why}${told === "" ? "." : `: ${detail}`}`;
}
