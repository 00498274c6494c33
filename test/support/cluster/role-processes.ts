import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { loadKubeConfig } from "../../../packages/server/src/engine/kubernetes/kube-config.ts";
import { runSpawner } from "../dev.ts";
import { ApiProxy } from "./api-proxy.ts";
import { type Access, accessOf } from "./grants.ts";
import type { Role } from "./install.ts";
import { kubectl } from "./kubectl.ts";

export interface RoleProcess {
  /** Everything that the API server was asked for. */
  readonly asked: readonly Access[];
  /** What it would not let the role do. */
  readonly forbidden: readonly Access[];
  readonly proxy: ApiProxy;
  /** Where it serves, once it does: of the roles api and gateway. */
  url(): Promise<string>;
}

/**
 * `spawner ROLE` on this machine, under the role's account in this namespace, behind a proxy that sees all that it asks of the API
 * server. Ends with the test.
 */
export async function startRoleProcess(
  role: Role,
  { namespace, args }: { namespace: string; args: readonly string[] },
): Promise<RoleProcess> {
  const asked: Access[] = [];
  const forbidden: Access[] = [];
  const proxy = await ApiProxy.open(await loadKubeConfig(), {
    onAnswered({ status, ...request }) {
      (status === 403 ? forbidden : asked).push(accessOf(request));
    },
  });
  onTestFinished(() => proxy.close());
  const token = (await kubectl(["create", "token", `spawner-${role}`, "--namespace", namespace])).trim();
  const folder = mkdtempSync(join(tmpdir(), "spawner-kubeconfig-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, proxy.kubeconfig({ token }));

  const place = ["--kubeconfig", kubeconfig, "--namespace", namespace, "--host", "127.0.0.1", "--metrics-port", "0"];
  const { output } = runSpawner([role, ...place, ...args]);
  return {
    asked,
    forbidden,
    proxy,
    async url() {
      const [, port] = await output.waitFor(/"port":(\d+),"msg":"serving"/);
      return `http://127.0.0.1:${port}`;
    },
  };
}
