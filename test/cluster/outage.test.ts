import { onTestFinished, test } from "vitest";
import { loadKubeConfig } from "../../packages/server/src/engine/kubernetes/kube-config.ts";
import { ApiProxy } from "../support/cluster/api-proxy.ts";
import { expectNobodyNotices } from "../support/cluster/outage.ts";

// As far as the roles can tell. The API server itself is killed and paused in test/cluster-faults/api-server-away.test.ts.
for (const way of ["refuse", "hang"] as const) {
  test(`nobody notices that the API server does not answer for a minute (${way}), and then all goes on`, async () => {
    const proxy = await ApiProxy.open(await loadKubeConfig());
    onTestFinished(() => proxy.close());
    await expectNobodyNotices({
      proxy,
      async whileAway(act) {
        await proxy[way]();
        try {
          await act();
        } finally {
          await proxy.serve();
        }
      },
    });
  }, 240_000);
}
