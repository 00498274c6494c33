import { buildCrd } from "../../core/crd.ts";
import { isKubeError, type KubeClient } from "../../engine/kubernetes/index.ts";
import { type Finding, unknown } from "./finding.ts";

const subject = "custom resource";
const name = "sessionlivedbackends.spawner.dev";
const advice = "spawner print-crd | kubectl apply --server-side --force-conflicts -f -";

interface Definition {
  readonly spec?: { readonly versions?: readonly { readonly name: string }[] };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** Whether the cluster has SessionLivedBackends as this release wants them. */
export async function checkCrd(client: KubeClient): Promise<Finding> {
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`;
  try {
    return judge(await client.json<Definition>({ method: "GET", path }));
  } catch (error) {
    if (isKubeError(error, "NotFound")) return { level: "wrong", subject, message: `there is no ${name}`, advice };
    return unknown(subject, error);
  }
}

function judge(found: Definition): Finding {
  const isEstablished = found.status?.conditions?.some(
    ({ type, status }) => type === "Established" && status === "True",
  );
  if (!isEstablished) {
    return { level: "wrong", subject, message: `${name} is not established`, advice: `kubectl describe crd ${name}` };
  }
  const wanted = buildCrd() as Definition;
  const missing = differences(
    wanted.spec?.versions?.[0],
    found.spec?.versions?.find((each) => each.name === "v1"),
  );
  if (missing.length > 0) {
    return { level: "wrong", subject, message: `${name} is of another release: ${shorten(missing)}`, advice };
  }
  const surplus = differences(
    found.spec?.versions?.find((each) => each.name === "v1"),
    wanted.spec?.versions?.[0],
  );
  if (surplus.length === 0) return { level: "ok", subject, message: `${name} is of this release` };
  const message = `${name} has more than this release knows: ${shorten(surplus)}`;
  return { level: "warning", subject, message, advice: "it is of a later release: upgrade the roles" };
}

/** Where `actual` lacks something of `wanted`, or has something else there. */
function differences(wanted: unknown, actual: unknown, path = ""): string[] {
  if (typeof wanted !== "object" || wanted === null) return wanted === actual ? [] : [path];
  if (typeof actual !== "object" || actual === null || Array.isArray(wanted) !== Array.isArray(actual)) return [path];
  const there = actual as Readonly<Record<string, unknown>>;
  return Object.entries(wanted).flatMap(([key, value]) => differences(value, there[key], `${path}.${key}`));
}

function shorten(paths: readonly string[]): string {
  const most = 3;
  const shown = paths
    .slice(0, most)
    .map((path) => path.replace(/^\.schema\.openAPIV3Schema/, "").replaceAll(".properties", ""));
  return `${shown.join(", ")}${paths.length > most ? ` and ${paths.length - most} more` : ""}`;
}
