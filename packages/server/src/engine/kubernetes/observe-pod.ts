import type { ServiceAddress, WorkloadAddress } from "../../core/address.ts";
import { deadlines } from "../../core/deadlines.ts";
import type { StartProblem, WorkloadObservation } from "../../core/decide.ts";
import { endOfLostPod, endOfPod, type PodEnd } from "./pod-end.ts";
import { fencingTokenAnnotation, sidecarName } from "./pod-names.ts";
import type { Pod } from "./pod-object.ts";
import type { PodProblem } from "./pod-problem.ts";
import {
  applicationStatusOf,
  conditionOf,
  defaultScheduler,
  isLegacy,
  servePortOf,
  sidecarStatusOf,
} from "./pod-view.ts";

/** What is known of a Pod beside itself. */
export interface PodContext {
  readonly now: Date;
  /** What holds up its start, and since when that was seen. */
  readonly problem?: PodProblem;
  readonly problemSince?: Date;
  readonly service?: ServiceAddress;
  /** Neither its node nor itself has been heard of for long. Default: false. */
  readonly isLost?: boolean;
}

export type PodObservation = Exclude<WorkloadObservation, { kind: "ended" }> | EndedPod;
type EndedPod = Extract<WorkloadObservation, { kind: "ended" }> & { readonly end: PodEnd };

/** What a Pod says of its backend's workload. Never `interrupted`: a Pod's containers are started once, by its node. */
export function observePod(pod: Pod, context: PodContext): PodObservation {
  const times = timesOf(pod);
  const end = endOfPod(pod, context.now) ?? (context.isLost ? endOfLostPod(pod, context.now) : undefined);
  if (end !== undefined) return { kind: "ended", end, ...times };
  if (pod.metadata.deletionTimestamp !== undefined) return { kind: "stopping" };
  const address = addressOf(pod, context);
  const { constructedAt, scheduledAt, runningAt } = times;
  if (runningAt !== undefined && scheduledAt !== undefined && address !== undefined) {
    return { kind: "running", constructedAt, scheduledAt, runningAt, address, ...told(pod), ...notListening(pod) };
  }
  const problem = problemOf(context);
  const waitsFor = waitOf(pod);
  const isRelaying = sidecarStatusOf(pod)?.state?.running !== undefined;
  return {
    kind: "pending",
    constructedAt,
    ...told(pod),
    ...(scheduledAt === undefined ? {} : { scheduledAt }),
    // Whoever dials earlier meets nobody, and is late when there is somebody.
    ...(address === undefined || !isRelaying ? {} : { address }),
    ...(problem === undefined ? {} : { problem }),
    ...(waitsFor === undefined ? {} : { waitsFor }),
  };
}

/** Who has not taken it up: there may be no such scheduler, or no such node, and nobody says so. */
function waitOf(pod: Pod): string | undefined {
  const { nodeName, schedulerName = defaultScheduler } = pod.spec;
  const isTaken = (pod.status?.conditions ?? []).length > 0 || pod.status?.containerStatuses !== undefined;
  if (isTaken) return undefined;
  return nodeName === undefined
    ? `No scheduler has taken its Pod (schedulerName ${JSON.stringify(schedulerName)}): is there one?`
    : `No kubelet has taken its Pod (nodeName ${JSON.stringify(nodeName)}): is there such a node?`;
}

interface PodTimes {
  readonly constructedAt: Date;
  readonly scheduledAt?: Date;
  readonly runningAt?: Date;
}

/** In whole seconds, as Kubernetes keeps them; each step is no earlier than the one before. */
function timesOf(pod: Pod): PodTimes {
  const { state = {} } = applicationStatusOf(pod) ?? {};
  const scheduled = conditionOf(pod, "PodScheduled", "True")?.lastTransitionTime;
  const started = state.running?.startedAt ?? state.terminated?.startedAt;
  const constructedAt = new Date(pod.metadata.creationTimestamp);
  const scheduledAt = scheduled ? latest(constructedAt, new Date(scheduled)) : undefined;
  // A container that could not be started has started in 1970.
  const runningAt =
    started && Date.parse(started) > 0 ? latest(scheduledAt ?? constructedAt, new Date(started)) : undefined;
  return {
    constructedAt,
    ...(scheduledAt === undefined ? {} : { scheduledAt }),
    ...(runningAt === undefined ? {} : { runningAt }),
  };
}

function addressOf(pod: Pod, { service }: PodContext): WorkloadAddress | undefined {
  const ip = pod.status?.podIP;
  if (ip === undefined) return undefined;
  return {
    ip,
    port: servePortOf(pod),
    nodeName: pod.spec.nodeName ?? "",
    workloadUID: pod.metadata.uid,
    ...(isLegacy(pod) ? { relayProtocol: 0 as const } : {}),
    ...(service === undefined ? {} : { service }),
  };
}

function problemOf({ now, problem, problemSince = now }: PodContext): StartProblem | undefined {
  if (problem === undefined) return undefined;
  const { reason, message, patience } = problem;
  if (patience === "all") return { reason, message };
  const waitMs = patience === "none" ? 0 : deadlines.startProblemMs;
  return { reason, message, until: new Date(problemSince.getTime() + waitMs) };
}

function told({ metadata }: Pod): { fencingToken?: string } {
  const fencingToken = metadata.annotations?.[fencingTokenAnnotation];
  return fencingToken === undefined ? {} : { fencingToken };
}

/** A program may well listen, and nobody hear of it. */
function notListening(pod: Pod): { notListening?: string } {
  const { waiting } = sidecarStatusOf(pod)?.state ?? {};
  if (waiting === undefined) return {};
  const told = [waiting.reason, waiting.message].filter((each) => each !== undefined).join(": ");
  return { notListening: `Its relay, container ${sidecarName}, does not run (${told}).` };
}

function latest(a: Date, b: Date): Date {
  return a.getTime() > b.getTime() ? a : b;
}
