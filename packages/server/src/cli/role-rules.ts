/** A role of Spawner on a cluster; its service account is `spawner-<role>`. */
export const clusterRoles = ["controller", "sweeper", "api", "gateway"] as const;
export type ClusterRole = (typeof clusterRoles)[number];

/** What an account must be allowed to do in the namespace. https://kubernetes.io/docs/reference/access-authn-authz/rbac/ */
export interface RoleRule {
  readonly group: string;
  /** With its subresource: `pods/log`. */
  readonly resource: string;
  /** Only the object of this name. Default: all. */
  readonly name?: string;
  readonly verbs: readonly string[];
}

const backends = { group: "spawner.dev", resource: "sessionlivedbackends" };
const readBackends: RoleRule = { ...backends, verbs: ["get", "list", "watch"] };
const patchStatus: RoleRule = { ...backends, resource: "sessionlivedbackends/status", verbs: ["patch"] };
const secrets = { group: "", resource: "secrets" };
const readKeys: RoleRule = { ...secrets, name: "spawner-keys", verbs: ["list", "watch"] };
const leases = { group: "coordination.k8s.io", resource: "leases" };

/** Everything that each role asks of the API server, and nothing else. deploy/ grants it, `spawner doctor` checks it. */
export const roleRules: Readonly<Record<ClusterRole, readonly RoleRule[]>> = {
  controller: [
    readBackends,
    { ...backends, verbs: ["delete"] },
    patchStatus,
    { group: "", resource: "pods", verbs: ["get", "list", "watch", "create", "delete"] },
    { group: "", resource: "pods/log", verbs: ["get"] },
    { group: "", resource: "events", verbs: ["list", "create"] },
    readKeys,
    { ...secrets, verbs: ["create"] },
    { ...secrets, name: "spawner-keys", verbs: ["patch"] },
    { ...leases, verbs: ["create"] },
    { ...leases, name: "spawner-controller", verbs: ["get", "update"] },
  ],
  sweeper: [readBackends, patchStatus, readKeys],
  api: [
    readBackends,
    { ...backends, verbs: ["create", "patch", "delete"] },
    { group: "", resource: "pods", verbs: ["get"] },
    { group: "", resource: "pods/log", verbs: ["get"] },
    patchStatus,
    readKeys,
  ],
  gateway: [readBackends, readKeys],
};

/** What `--compat-0.1.9` adds. */
export const compatRules: Readonly<Partial<Record<ClusterRole, readonly RoleRule[]>>> = {
  controller: [
    { group: "", resource: "services", verbs: ["get", "create"] },
    { ...backends, verbs: ["patch"] },
  ],
};
