import { type Backend, completeSpec } from "../../core/resource.ts";
import { fencingTokenOf } from "../../core/workload.ts";
import { applicationEnvironment } from "./pod-environment.ts";
import { fencingTokenAnnotation, isOurLabel, ownerReferenceTo, podLabels } from "./pod-names.ts";
import type { Container, PodDraft, PodSpec } from "./pod-object.ts";
import type { PodOptions } from "./pod-options.ts";
import { applicationResources } from "./pod-resources.ts";
import { containerSecurity, podSecurity } from "./pod-security.ts";
import { templateOf } from "./pod-template.ts";
import { sidecarContainer } from "./sidecar-container.ts";

export interface BuildPodOptions extends PodOptions {
  readonly namespace: string;
  readonly controlKey: string;
}

/** Autoscalers make room by ending Pods; a session is not theirs to end. */
const annotations = {
  "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
  "karpenter.sh/do-not-disrupt": "true",
};

/**
 * A node that is not heard of may run its sessions all the same: nothing but its own end ends them. The API server would add
 * these with 300 s. https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
 */
const tolerations = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map((key) => ({
  key,
  operator: "Exists",
  effect: "NoExecute",
}));

/**
 * The Pod of a backend that is valid for one (podInvalidity): its template, whose first container is the application, beside the
 * sidecar. What Spawner needs is set over the template, what is only safer under it.
 */
export function buildPod(backend: Backend, options: BuildPodOptions): PodDraft {
  const { name, labels } = backend.metadata;
  const users = Object.entries(labels).filter(([label]) => !isOurLabel(label));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: options.namespace,
      labels: { ...Object.fromEntries(users), ...podLabels(backend, options) },
      annotations: { ...annotations, [fencingTokenAnnotation]: fencingTokenOf(backend) },
      ownerReferences: [ownerReferenceTo(backend)],
    },
    spec: buildSpec(backend, options),
  };
}

function buildSpec(backend: Backend, options: BuildPodOptions): PodSpec {
  const template = templateOf(backend);
  const { containers, initContainers = [], imagePullSecrets = [] } = template;
  const { imagePullSecret } = options;
  const secrets = [...imagePullSecrets, ...(imagePullSecret === undefined ? [] : [{ name: imagePullSecret }])];
  return {
    automountServiceAccountToken: false,
    ...template,
    containers: containers.map((container, index) =>
      index === 0 ? buildApplication(backend, container) : buildCompanion(container),
    ),
    initContainers: [sidecarContainer(backend, options), ...initContainers.map(buildCompanion)],
    ...(secrets.length > 0 ? { imagePullSecrets: secrets } : {}),
    securityContext: podSecurity(template),
    tolerations: [...(template.tolerations ?? []), ...tolerations],
    // A Service of the namespace could be named so that its variables look like a flag of the sidecar's.
    enableServiceLinks: false,
    restartPolicy: "Never",
    terminationGracePeriodSeconds: completeSpec(backend.spec).terminationGracePeriodSeconds,
  };
}

function buildApplication(backend: Backend, container: Container): Container {
  return {
    ...buildCompanion(container),
    env: applicationEnvironment(backend, container),
    resources: applicationResources(container),
  };
}

function buildCompanion(container: Container): Container {
  return {
    terminationMessagePolicy: "FallbackToLogsOnError",
    ...container,
    securityContext: containerSecurity(container),
  };
}
