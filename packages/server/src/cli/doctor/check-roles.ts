import type { KubeClient } from "../../engine/kubernetes/index.ts";
import { type ClusterRole, clusterRoles } from "../role-rules.ts";
import { type Finding, unknown } from "./finding.ts";

interface RoleWorkload {
  readonly kind: "deployment" | "daemonset";
  readonly name: string;
  readonly role: string;
  readonly wanted: number;
  readonly ready: number;
  readonly image: string | undefined;
}

interface AppsObject {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: { readonly replicas?: number; readonly template?: { readonly spec?: PodTemplateSpec } };
  readonly status?: {
    readonly readyReplicas?: number;
    readonly desiredNumberScheduled?: number;
    readonly numberReady?: number;
  };
}

interface PodTemplateSpec {
  readonly containers?: readonly { readonly image?: string }[];
}

/** Without these no session starts or ends; the others may be elsewhere, or not wanted. */
const needed: ReadonlySet<ClusterRole> = new Set(["controller", "sweeper"]);

/** Whether the roles' Pods are up, and all of one release. */
export async function checkRoles(client: KubeClient): Promise<Finding[]> {
  try {
    const [deployments, daemonSets] = await Promise.all([list(client, "deployments"), list(client, "daemonsets")]);
    const workloads = [...deployments.map(ofDeployment), ...daemonSets.map(ofDaemonSet)];
    return [...clusterRoles.flatMap((role) => judgeRole(role, workloads)), ...judgeImages(workloads)];
  } catch (error) {
    return [unknown("roles", error)];
  }
}

async function list(client: KubeClient, resource: string): Promise<readonly AppsObject[]> {
  const { items } = await client.json<{ items: readonly AppsObject[] }>({
    method: "GET",
    path: `/apis/apps/v1/namespaces/${client.namespace}/${resource}`,
    query: { labelSelector: "app.kubernetes.io/name=spawner" },
  });
  return items;
}

function ofDeployment({ metadata, spec, status }: AppsObject): RoleWorkload {
  const wanted = spec?.replicas ?? 1;
  return { kind: "deployment", ...common({ metadata, spec }), wanted, ready: status?.readyReplicas ?? 0 };
}

function ofDaemonSet({ metadata, spec, status }: AppsObject): RoleWorkload {
  const wanted = status?.desiredNumberScheduled ?? 0;
  return { kind: "daemonset", ...common({ metadata, spec }), wanted, ready: status?.numberReady ?? 0 };
}

function common({ metadata, spec }: Pick<AppsObject, "metadata"> & { spec: AppsObject["spec"] }) {
  const role = metadata.labels?.["app.kubernetes.io/component"] ?? "";
  return { name: metadata.name, role, image: spec?.template?.spec?.containers?.[0]?.image };
}

function judgeRole(role: ClusterRole, workloads: readonly RoleWorkload[]): Finding[] {
  const subject = `role ${role}`;
  const own = workloads.filter((each) => each.role === role);
  if (own.length === 0) {
    const level = needed.has(role) ? "wrong" : "warning";
    return [{ level, subject, message: "there is none in this namespace", advice: "kubectl apply -k deploy/base" }];
  }
  return own.map(({ kind, name, wanted, ready }) => {
    const message = `${kind} ${name}: ${ready} of ${wanted} ready`;
    if (wanted > 0 && ready >= wanted) return { level: "ok", subject, message };
    const advice = wanted === 0 ? `kubectl scale ${kind} ${name} --replicas=1` : `kubectl describe ${kind} ${name}`;
    return { level: ready === 0 ? "wrong" : "warning", subject, message, advice };
  });
}

function judgeImages(workloads: readonly RoleWorkload[]): Finding[] {
  const images = [...new Set(workloads.flatMap(({ image }) => image ?? []))];
  const [first] = images;
  if (first === undefined) return [];
  if (images.length === 1) return [{ level: "ok", subject: "images", message: `all roles run ${first}` }];
  const message = `the roles run ${images.join(" and ")}`;
  return [{ level: "warning", subject: "images", message, advice: "run one release: kubectl apply -k deploy/base" }];
}
