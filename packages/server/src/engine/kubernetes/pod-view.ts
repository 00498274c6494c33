import { legacyServePort } from "../../core/address.ts";
import { fencingTokenAnnotation, sidecarName } from "./pod-names.ts";
import type { Container, ContainerStatus, Pod, PodCondition } from "./pod-object.ts";

/** The container of the program: the first, whatever its name. */
export function applicationOf({ spec }: Pod): Container | undefined {
  return spec.containers[0];
}

/** What the node says of the program's container. Statuses come in any order. */
export function applicationStatusOf(pod: Pod): ContainerStatus | undefined {
  const name = applicationOf(pod)?.name;
  return pod.status?.containerStatuses?.find((status) => status.name === name);
}

/** What the node says of the sidecar, which 0.1.9 had beside the application. */
export function sidecarStatusOf({ status = {} }: Pod): ContainerStatus | undefined {
  const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  return all.find(({ name }) => name === sidecarName);
}

/** The port that is relayed to the program. */
export function servePortOf({ spec }: Pod): number {
  const sidecar = [...(spec.initContainers ?? []), ...spec.containers].find(({ name }) => name === sidecarName);
  return sidecar?.ports?.[0]?.containerPort ?? legacyServePort;
}

/**
 * Whether the control plane has not heard of the Pod's node for a while: it says then that the Pod is not ready, though by the
 * node's last word all of its containers are. https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
 */
export function isNodeUnheard(pod: Pod): boolean {
  const unready = conditionOf(pod, "Ready", "False");
  return unready !== undefined && !unready.reason && conditionOf(pod, "ContainersReady", "True") !== undefined;
}

/** Whether every container but the sidecar is over. */
export function isOnlySidecarLeft({ status = {} }: Pod): boolean {
  const users = (status.containerStatuses ?? []).filter(({ name }) => name !== sidecarName);
  return users.length > 0 && users.every(({ state }) => state?.terminated !== undefined);
}

/** What a sidecar takes to be ready for signals, at most, on a node that is busy. */
const signalsMs = 10_000;

/** Whether a Pod was asked to end when its sidecar had not started for certain: then it may never learn of it, and goes on. */
export function mayHaveMissedSignal(pod: Pod): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
  const { running, terminated } = sidecarStatusOf(pod)?.state ?? {};
  if (deletionTimestamp === undefined || terminated !== undefined) return false;
  const askedMs = Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1_000;
  return running === undefined || askedMs - Date.parse(running.startedAt) < signalsMs;
}

/** The condition of this type, where it is so. */
export function conditionOf({ status }: Pod, type: string, wanted: "True" | "False"): PodCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type && condition.status === wanted);
}

/** A Pod of 0.1.9's has its sidecar beside the application, which knows no control port. */
export function isLegacy({ spec }: Pod): boolean {
  return spec.containers.some(({ name }) => name === sidecarName);
}

/** Which scheduler a Pod is for where it does not say. */
export const defaultScheduler = "default-scheduler";

/** What is kept in memory of a Pod: what is read here and by those who observe it. */
export function keepOfPod({ metadata, spec, status = {} }: Pod): Pod {
  const { name, uid, resourceVersion, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  const fencingToken = metadata.annotations?.[fencingTokenAnnotation];
  const { phase, reason, message, podIP, conditions, containerStatuses, initContainerStatuses } = status;
  return withoutUndefined({
    metadata: withoutUndefined({
      name,
      uid,
      resourceVersion,
      creationTimestamp,
      deletionTimestamp,
      deletionGracePeriodSeconds,
      ownerReferences: metadata.ownerReferences,
      annotations: fencingToken === undefined ? undefined : { [fencingTokenAnnotation]: fencingToken },
      // Whether one that has no owner was ours is in its labels.
      labels: metadata.ownerReferences?.length ? undefined : metadata.labels,
    }),
    spec: withoutUndefined({
      nodeName: spec.nodeName,
      schedulerName: spec.schedulerName === defaultScheduler ? undefined : spec.schedulerName,
      containers: spec.containers.map(keepOfContainer),
      initContainers: spec.initContainers?.filter(({ name }) => name === sidecarName).map(keepOfContainer),
    }),
    status: withoutUndefined({
      phase,
      reason,
      message,
      podIP,
      conditions: conditions?.filter(({ type }) => keptConditions.has(type)),
      containerStatuses: containerStatuses?.map(keepOfStatus),
      initContainerStatuses: initContainerStatuses?.map(keepOfStatus),
    }),
  });
}

const keptConditions = new Set(["PodScheduled", "Ready", "ContainersReady", "DisruptionTarget"]);

function keepOfContainer({ name, ports, resources, livenessProbe, startupProbe, lifecycle }: Container): Container {
  const limits = resources?.limits;
  return withoutUndefined({
    name,
    ports,
    resources: limits === undefined ? undefined : { limits },
    livenessProbe,
    startupProbe,
    lifecycle,
  });
}

function keepOfStatus({ name, image, ready, restartCount, state }: ContainerStatus): ContainerStatus {
  return withoutUndefined({ name, image, ready, restartCount, state });
}

function withoutUndefined<Value extends object>(value: { [Key in keyof Value]: Value[Key] | undefined }): Value {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Value;
}
