import { buildCrd } from "../../../packages/server/src/core/crd.ts";
import type { KubeClient } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { openAdminClient } from "./client.ts";
import { eventually } from "./eventually.ts";

const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sessionlivedbackends.spawner.dev";

interface Definition {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** The CRD of these sources, in the cluster and served. It is of the whole cluster, and stays. */
export async function applyCrd(client: KubeClient): Promise<void> {
  await client.json({
    method: "PATCH",
    path,
    query: { fieldManager: "spawner-test", force: true },
    contentType: "application/apply-patch+yaml",
    body: buildCrd(),
  });
  await eventually(async () => {
    const { status } = await client.json<Definition>({ method: "GET", path });
    const isEstablished = status?.conditions?.some((each) => each.type === "Established" && each.status === "True");
    if (!isEstablished) throw new Error("the CRD is not established");
  });
}

/** The same, for who has no client yet. */
export async function prepareCluster(): Promise<void> {
  const client = await openAdminClient();
  await applyCrd(client);
  client.close();
}
