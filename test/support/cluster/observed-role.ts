import { onTestFinished } from "vitest";
import { loadKubeConfig } from "../../../packages/server/src/engine/kubernetes/kube-config.ts";
import { ApiProxy } from "./api-proxy.ts";
import { type Access, accessOf } from "./grants.ts";
import type { Role } from "./install.ts";
import { kubectl } from "./kubectl.ts";
import { startRoleProcess } from "./role-process.ts";

export interface ObservedRole {
  /** Where a gateway or an api serves. */
  readonly url: string;
  /** Of its health server. */
  readonly healthUrl: string;
  /** What the API server was asked for, and has not forbidden. */
  readonly asked: readonly Access[];
  /** What it would not let the role do. */
  readonly forbidden: readonly Access[];
  readonly proxy: ApiProxy;
}

/**
 * A role as a process of its own, under its account in this namespace, behind a proxy that sees all that it asks of the API
 * server. Ends with the test.
 */
export async function startObservedRole(
  role: Role,
  { namespace, flags }: { namespace: string; flags: readonly string[] },
): Promise<ObservedRole> {
  const asked: Access[] = [];
  const forbidden: Access[] = [];
  const proxy = await ApiProxy.open(await loadKubeConfig(), {
    onAnswered({ status, ...request }) {
      (status === 403 ? forbidden : asked).push(accessOf(request));
    },
  });
  onTestFinished(() => proxy.close());
  const token = (await kubectl(["create", "token", `spawner-${role}`, "--namespace", namespace])).trim();
  const { url, healthUrl, end } = await startRoleProcess(role, { namespace, proxy, token, flags });
  onTestFinished(() => end("SIGKILL"));
  return { url, healthUrl, asked, forbidden, proxy };
}
