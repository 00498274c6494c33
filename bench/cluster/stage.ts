import type { Backend } from "../../packages/server/src/core/resource.ts";
import type { KubeClient } from "../../packages/server/src/engine/kubernetes/index.ts";
import type { Pod } from "../../packages/server/src/engine/kubernetes/pod-object.ts";
import { openAdminClient } from "../../test/support/cluster/client.ts";
import { type Installation, install } from "../../test/support/cluster/install.ts";
import { AuditLog } from "./audit-log.ts";
import { podsPath } from "./contenders.ts";
import { Sightings } from "./sightings.ts";

/** Every wait for a session ends by then, however many there are at once. */
export const waitMsMax = 300_000;

/** As Kubernetes gives it: it has no status until one is written. */
export type StoredBackend = Pick<Backend, "metadata"> & Partial<Pick<Backend, "status">>;

/** Spawner on the cluster, in a namespace of its own, and who watches it. */
export interface Stage {
  readonly spawner: Installation;
  readonly apiUrl: string;
  readonly client: KubeClient;
  readonly pods: Sightings<Pod>;
  readonly backends: Sightings<StoredBackend>;
  /** Undefined where the cluster's is not here. */
  readonly audit: AuditLog | undefined;
  close(): Promise<void>;
}

/** An ended backend is forgotten soon, so that its whole life is seen. It changes nothing of what is written. */
const retainSeconds = 1;

const forgetSoon = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: spawner-controller }
spec:
  template:
    spec:
      containers:
        - name: controller
          env: [{ name: SPAWNER_RETAIN_SECONDS, value: "${retainSeconds}" }]
`;

export async function openStage(): Promise<Stage> {
  const spawner = await install({ of: "overlays/local", patches: [{ patch: forgetSoon }] });
  try {
    const { namespace, apiUrl } = spawner;
    const client = await openAdminClient(namespace);
    const path = `/apis/spawner.dev/v1/namespaces/${namespace}/sessionlivedbackends`;
    const [pods, backends] = await Promise.all([
      Sightings.open<Pod>(client, podsPath(client)),
      Sightings.open<StoredBackend>(client, path),
    ]);
    const { SPAWNER_TEST_AUDIT_LOG: auditFile } = process.env;
    const audit = auditFile === undefined ? undefined : new AuditLog(auditFile, { namespace });
    return {
      spawner,
      apiUrl,
      client,
      pods,
      backends,
      audit,
      async close() {
        await Promise.all([pods.close(), backends.close()]);
        client.close();
        audit?.close();
        await spawner.dispose();
      },
    };
  } catch (error) {
    await spawner.dispose();
    throw error;
  }
}

/** Resolves to when its record was seen to say so, by performance.now(). */
export async function untilReady(name: string, { backends }: Stage): Promise<number> {
  const isOver = ({ status }: StoredBackend) => status?.failed === true || status?.swept === true;
  const isSettled = (backend: StoredBackend) => backend.status?.ready === true || isOver(backend);
  const { item, atMs } = await backends.until(name, isSettled, { withinMs: waitMsMax });
  if (isOver(item)) throw new Error(`${name} has ended: ${item.status?.message}`);
  return atMs;
}
