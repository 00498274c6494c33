import { expect } from "vitest";
import { completeSpec } from "../../../packages/server/src/core/resource.ts";
import type { EngineHarness } from "../../../packages/server/src/engine/contract.ts";
import type { Engine } from "../../../packages/server/src/engine/index.ts";
import { KubernetesEngine } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { systemClock } from "../../../packages/server/src/lib/clock.ts";
import { silentLog } from "../../../packages/server/src/lib/log.ts";
import { eventually } from "./eventually.ts";
import type { TestNamespace } from "./namespace.ts";
import { testImage } from "./overlay.ts";
import { podSpec, runInPod } from "./programs.ts";

interface Named {
  readonly metadata: { readonly name: string };
}

/** Kubernetes engines over one namespace, which is empty before and after. */
export async function makeClusterHarness({ name: namespace, client }: TestNamespace): Promise<EngineHarness> {
  let engine: Engine | undefined;
  const collections = {
    pod: `/api/v1/namespaces/${namespace}/pods`,
    backend: `/apis/spawner.dev/v1/namespaces/${namespace}/sessionlivedbackends`,
  };
  const open = async (): Promise<Engine> => {
    const opened = await KubernetesEngine.open({
      client,
      clock: systemClock,
      log: silentLog,
      controlKey: () => "key of the contract's tests",
      pods: { sidecarImage: testImage },
    });
    engine = opened;
    return opened;
  };
  const close = async () => {
    await engine?.close();
    engine = undefined;
  };
  const remains = async () => {
    const found = await Promise.all(
      Object.entries(collections).map(async ([kind, path]) => {
        const { items } = await client.json<{ items: Named[] }>({ method: "GET", path });
        return items.map(({ metadata }) => `${kind} ${metadata.name}`);
      }),
    );
    return found.flat();
  };
  return {
    open,
    async reopen() {
      await close();
      return open();
    },
    spec(behaviour, env = {}) {
      const container = { env: Object.entries(env).map(([name, value]) => ({ name, value })) };
      const spec = behaviour === "not-found" ? runInPod(["no-such-program"]) : podSpec(behaviour, { container });
      // As the API server stores it: with the defaults that the CRD has.
      return completeSpec(spec);
    },
    async dispose() {
      // In this order: with a record goes its Pod, in the grace of its own spec.
      if (engine !== undefined) {
        const { workloads } = engine;
        for (const identity of await workloads.list()) await workloads.remove(identity, 0);
        await eventually(async () => expect(await workloads.list()).toEqual([]));
      }
      await close();
      await client.json({ method: "DELETE", path: collections.backend });
      await eventually(async () => expect(await remains()).toEqual([]));
    },
    remains,
  };
}
