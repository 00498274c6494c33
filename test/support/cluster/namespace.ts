import { randomUUID } from "node:crypto";
import { isKubeError, type KubeClient } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { openAdminClient } from "./client.ts";
import { eventually } from "./eventually.ts";

export interface TestNamespace {
  readonly name: string;
  /** The admin's client, in this namespace. */
  readonly client: KubeClient;
  /** Deletes the namespace with all that is in it, without waiting for it to be gone, and closes the client. */
  dispose(): Promise<void>;
}

/** A namespace that no other test has, in which Pods can be made. */
export async function makeNamespace(prefix = "spawner-test"): Promise<TestNamespace> {
  const name = `${prefix}-${randomUUID().slice(0, 8)}`;
  const client = await openAdminClient(name);
  await client.json({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name } } });
  // Pods are refused until the controller manager has made the account that they have by default, which takes a while after
  // the API server was away.
  await eventually(
    () => client.json({ method: "GET", path: `/api/v1/namespaces/${name}/serviceaccounts/default` }),
    80_000,
  );
  return {
    name,
    client,
    async dispose() {
      await client
        .json({ method: "DELETE", path: `/api/v1/namespaces/${name}`, query: { propagationPolicy: "Background" } })
        .catch((error: unknown) => {
          if (!isKubeError(error, "NotFound", "Conflict")) throw error;
        });
      client.close();
    },
  };
}
