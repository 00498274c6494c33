import type { Container, ContainerSecurity, PodSpec } from "./pod-object.ts";

const runtimeDefault = { type: "RuntimeDefault" };

/** Of the sidecar, which needs nothing: it would run under the Pod Security Standard `restricted`. */
export const sidecarSecurity: ContainerSecurity = {
  runAsNonRoot: true,
  runAsUser: 65532,
  runAsGroup: 65532,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: runtimeDefault,
};

/** Of a Pod, where its template does not say otherwise. */
export function podSecurity({ securityContext }: PodSpec): object {
  return { seccompProfile: runtimeDefault, ...securityContext };
}

/** Of a user's container: no more privileges than it starts with, where its template does not say otherwise. */
export function containerSecurity({ securityContext = {} }: Container): ContainerSecurity {
  return needsEscalation(securityContext) ? securityContext : { allowPrivilegeEscalation: false, ...securityContext };
}

/** The API server refuses these together with `allowPrivilegeEscalation: false`. */
function needsEscalation({ privileged, capabilities }: ContainerSecurity): boolean {
  return privileged === true || capabilities?.add?.some((name) => /^(CAP_)?SYS_ADMIN$/.test(name)) === true;
}
