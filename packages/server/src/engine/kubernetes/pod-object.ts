import type { ObjectMeta } from "./objects.ts";

/**
 * A Pod: what of it we write or read. What a user's template says beside passes through untouched.
 * https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
 */
export interface Pod {
  readonly metadata: PodMeta;
  readonly spec: PodSpec;
  readonly status?: PodStatus;
}

interface PodMeta extends ObjectMeta {
  /** How long there was between asking the program to end and killing it, when it was last asked. */
  readonly deletionGracePeriodSeconds?: number;
}

/** A Pod that is to be made. */
export interface PodDraft {
  readonly apiVersion: "v1";
  readonly kind: "Pod";
  readonly metadata: Omit<ObjectMeta, "uid" | "resourceVersion" | "creationTimestamp">;
  readonly spec: PodSpec;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly nodeName?: string;
  readonly schedulerName?: string;
  readonly hostNetwork?: boolean;
  readonly imagePullSecrets?: readonly { readonly name: string }[];
  readonly tolerations?: readonly object[];
  readonly securityContext?: object;
  readonly terminationGracePeriodSeconds?: number;
  readonly [other: string]: unknown;
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly env?: readonly EnvVar[];
  readonly ports?: readonly { readonly containerPort?: number; readonly name?: string }[];
  readonly resources?: Resources;
  readonly securityContext?: ContainerSecurity;
  /** By these a node ends the program: that they are there matters, not what they are. */
  readonly livenessProbe?: object;
  readonly startupProbe?: object;
  readonly lifecycle?: { readonly postStart?: object; readonly preStop?: object };
  readonly [other: string]: unknown;
}

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  /** From a Secret, a ConfigMap or the Pod itself: not ours to read. */
  readonly valueFrom?: object;
}

export interface Resources {
  readonly requests?: Readonly<Record<string, string | number>>;
  readonly limits?: Readonly<Record<string, string | number>>;
}

export interface ContainerSecurity {
  readonly privileged?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly [other: string]: unknown;
}

interface PodStatus {
  /** Pending, Running, Succeeded, Failed or Unknown. */
  readonly phase?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly podIP?: string;
  readonly conditions?: readonly PodCondition[];
  readonly containerStatuses?: readonly ContainerStatus[];
  readonly initContainerStatuses?: readonly ContainerStatus[];
}

export interface PodCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string | null;
}

export interface ContainerStatus {
  readonly name: string;
  readonly image?: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: ContainerState;
}

/** One of the three. */
interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt: string };
  readonly terminated?: Terminated;
}

export interface Terminated {
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason?: string;
  /** Of a failure the end of its output, by `terminationMessagePolicy: FallbackToLogsOnError`. */
  readonly message?: string;
  readonly startedAt?: string | null;
  readonly finishedAt?: string | null;
}
