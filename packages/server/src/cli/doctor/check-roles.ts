import { isKubeError, type KubeClient } from "../../engine/kubernetes/index.ts";
import { type ClusterRole, clusterRoles } from "../role-rules.ts";
import { type Finding, unknown } from "./finding.ts";
import { installAdvice } from "./install-advice.ts";

interface RoleWorkload {
  readonly kind: "deployment" | "daemonset";
  readonly name: string;
  readonly role: string;
  readonly wanted: number;
  readonly ready: number;
  readonly image: string | undefined;
  /** Names of the Secrets without which its Pods wait. */
  readonly secrets: readonly string[];
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
  readonly volumes?: readonly { readonly secret?: { readonly secretName?: string; readonly optional?: boolean } }[];
}

/** Without these no session starts or ends; the others may be elsewhere, or not wanted. */
const needed: ReadonlySet<ClusterRole> = new Set(["controller", "sweeper"]);

/** Whether the roles' Pods are up, and all of one release. */
export async function checkRoles(client: KubeClient): Promise<Finding[]> {
  try {
    const [deployments, daemonSets] = await Promise.all([list(client, "deployments"), list(client, "daemonsets")]);
    const workloads = [...deployments.map(ofDeployment), ...daemonSets.map(ofDaemonSet)];
    const findings = await Promise.all(clusterRoles.map((role) => judgeRole(client, { role, workloads })));
    return [...findings.flat(), ...judgeImages(client, workloads)];
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
  const { containers = [], volumes = [] } = spec?.template?.spec ?? {};
  const secrets = volumes.flatMap(({ secret }) => (secret?.optional ? [] : (secret?.secretName ?? [])));
  return { name: metadata.name, role, image: containers[0]?.image, secrets };
}

async function judgeRole(
  client: KubeClient,
  { role, workloads }: { role: ClusterRole; workloads: readonly RoleWorkload[] },
): Promise<Finding[]> {
  const subject = `role ${role}`;
  const own = workloads.filter((each) => each.role === role);
  if (own.length === 0) {
    const level = needed.has(role) ? "wrong" : "warning";
    const message = `there is none in the namespace ${client.namespace}`;
    return [{ level, subject, message, advice: installAdvice(client.namespace) }];
  }
  return Promise.all(own.map((workload) => judgeWorkload(client, workload)));
}

async function judgeWorkload(client: KubeClient, workload: RoleWorkload): Promise<Finding> {
  const { kind, name, role, wanted, ready, secrets } = workload;
  const subject = `role ${role}`;
  const message = `${kind} ${name}: ${ready} of ${wanted} ready`;
  if (wanted > 0 && ready >= wanted) return { level: "ok", subject, message };
  const level = ready === 0 ? "wrong" : "warning";
  const of = `${kind} ${name} --namespace ${client.namespace}`;
  if (wanted === 0) return { level, subject, message, advice: `kubectl scale ${of} --replicas=1` };
  const missing = await firstMissing(client, secrets);
  if (missing === undefined) return { level, subject, message, advice: `kubectl describe ${of}` };
  const why = `there is no Secret ${missing}, and its Pods wait for that`;
  return { level, subject, message: `${message}; ${why}`, advice: makeSecretAdvice(client, missing) };
}

/** Undefined too where it cannot be seen: then the Pods say it. */
async function firstMissing(client: KubeClient, secrets: readonly string[]): Promise<string | undefined> {
  for (const secret of secrets) {
    try {
      const { items } = await client.json<{ items: readonly unknown[] }>({
        method: "GET",
        path: `/api/v1/namespaces/${client.namespace}/secrets`,
        query: { fieldSelector: `metadata.name=${secret}` },
      });
      if (items.length === 0) return secret;
    } catch (error) {
      if (!isKubeError(error, "Forbidden")) throw error;
    }
  }
  return undefined;
}

/** The api's has the tokens of those who may start sessions, under the name of its file. */
function makeSecretAdvice({ namespace }: KubeClient, secret: string): string {
  const make = `kubectl create secret generic ${secret} --namespace ${namespace}`;
  return secret === tokensSecret ? `openssl rand -hex 32 > tokens && ${make} --from-file=tokens` : `make it: ${make} …`;
}

/** As deploy/base/api.yaml names it. */
const tokensSecret = "spawner-tokens";

function judgeImages(client: KubeClient, workloads: readonly RoleWorkload[]): Finding[] {
  const images = [...new Set(workloads.flatMap(({ image }) => image ?? []))];
  const [first] = images;
  if (first === undefined) return [];
  if (images.length === 1) return [{ level: "ok", subject: "images", message: `all roles run ${first}` }];
  const message = `the roles run ${images.join(" and ")}`;
  return [
    { level: "warning", subject: "images", message, advice: `run one release: ${installAdvice(client.namespace)}` },
  ];
}
