import type { KubeClient } from "./kube-client.ts";
import type { KubeList, KubeObject } from "./objects.ts";
import type { Pod } from "./pod-object.ts";
import type { PodProblem } from "./pod-problem.ts";

export interface PodEvent extends KubeObject {
  readonly reason?: string;
  readonly message?: string;
  readonly involvedObject?: {
    /** Which container it is about: `spec.containers{application}`. */
    readonly fieldPath?: string;
  };
}

/** What is said of a Pod, in the order of when that began. */
export async function readPodEvents(
  client: KubeClient,
  { metadata }: Pod,
  { selector = "" }: { selector?: string } = {},
): Promise<readonly PodEvent[]> {
  const { items } = await client.json<KubeList<PodEvent>>({
    method: "GET",
    path: `/api/v1/namespaces/${client.namespace}/events`,
    query: { fieldSelector: `involvedObject.uid=${metadata.uid}${selector}`, limit: 100 },
  });
  return items;
}

/** What is said in Events alone: the Pod itself just goes on saying that it is made ready. */
const startReasons = new Set(["FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"]);

/** What its node says against starting the Pod; undefined where it says nothing. */
export async function readStartProblem(client: KubeClient, pod: Pod): Promise<PodProblem | undefined> {
  const events = await readPodEvents(client, pod, { selector: ",type=Warning" });
  const last = events.findLast(({ reason = "" }) => startReasons.has(reason));
  if (last === undefined) return undefined;
  const message = `The backend's Pod cannot be made ready on its node: ${last.message ?? last.reason}`.replace(
    /\.?$/,
    ".",
  );
  // A volume may take its time to come, and be found in vain until then.
  return { reason: "StartError", message, patience: "all" };
}
