import { onTestFinished } from "vitest";
import type { KubeClient } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { applyCrd } from "./apply-crd.ts";
import { makeNamespace } from "./namespace.ts";
import { type RoleProcess, type RoleProcessOptions, startRoleProcess } from "./role-process.ts";

/** A namespace of the test's own, and what the test starts in it: all of it is gone with the test. */
export interface Stage {
  readonly namespace: string;
  /** The admin's. */
  readonly client: KubeClient;
  /** Runs a role as a process until the test is over. */
  start(
    role: Parameters<typeof startRoleProcess>[0],
    options?: Omit<RoleProcessOptions, "namespace">,
  ): Promise<RoleProcess>;
  /** Has something ended with the test, before the namespace. */
  defer<Closable extends { close(): unknown }>(closable: Closable): Closable;
}

export async function openStage(): Promise<Stage> {
  const { name: namespace, client, dispose } = await makeNamespace();
  onTestFinished(dispose);
  await applyCrd(client);
  return {
    namespace,
    client,
    async start(role, options = {}) {
      const process = await startRoleProcess(role, { namespace, ...options });
      onTestFinished(() => process.end("SIGKILL"));
      return process;
    },
    defer(closable) {
      onTestFinished(async () => void (await closable.close()));
      return closable;
    },
  };
}
