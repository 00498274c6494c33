import { isOrphaned, type KubeClient, podsSelector } from "../../engine/kubernetes/index.ts";
import { type Finding, unknown } from "./finding.ts";

const subject = "orphaned Pods";
const pageSize = 500;
/** How many are named. */
const namesMax = 20;

interface PodList {
  readonly metadata: { readonly continue?: string };
  readonly items: readonly Parameters<typeof isOrphaned>[0][];
}

/** Whether there are Pods of ours whose backend was deleted without them: nobody ends those. */
export async function checkOrphans(client: KubeClient): Promise<Finding> {
  try {
    const names = await orphansOf(client);
    if (names.length === 0) return { level: "ok", subject, message: "each Pod of a session has its backend" };
    const named = names.slice(0, namesMax).join(" ");
    const count = names.length === 1 ? "one Pod goes on" : `${names.length} Pods go on`;
    const message = `${count} without a backend, and nobody ends what was deleted with --cascade=orphan`;
    const more = names.length > namesMax ? `; then ${names.length - namesMax} more: spawner doctor names them` : "";
    return {
      level: "warning",
      subject,
      message,
      advice: `kubectl delete pods --namespace ${client.namespace} ${named}${more}`,
    };
  } catch (error) {
    return unknown(subject, error);
  }
}

async function orphansOf(client: KubeClient): Promise<string[]> {
  const names: string[] = [];
  let next: string | undefined;
  do {
    const page = await client.json<PodList>({
      method: "GET",
      path: `/api/v1/namespaces/${client.namespace}/pods`,
      query: { labelSelector: podsSelector, limit: pageSize, continue: next },
      isList: true,
    });
    names.push(...page.items.filter(isOrphaned).map(({ metadata }) => metadata.name));
    next = page.metadata.continue || undefined;
  } while (next !== undefined);
  return names;
}
