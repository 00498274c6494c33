import { expect, test } from "vitest";
import { loadKubeConfig } from "../../packages/server/src/engine/kubernetes/kube-config.ts";
import { ApiProxy } from "../support/cluster/api-proxy.ts";
import { connectUser } from "../support/cluster/connected.ts";
import { startController, startSweeper } from "../support/cluster/roles.ts";
import { openStage } from "../support/cluster/stage.ts";

test("a connect to a live key asks nothing of the API server", async () => {
  const { namespace, start, defer } = await openStage();
  const asked: string[] = [];
  const proxy = defer(
    await ApiProxy.open(await loadKubeConfig(), {
      onAnswered({ method, url }) {
        // A watch is opened again whenever the API server ends it, as it does when another test applies the CRD.
        if (!url.includes("watch=")) asked.push(`${method} ${url}`);
      },
    }),
  );
  defer(await startController({ namespace }));
  defer(await startSweeper({ namespace }));
  const api = await start("api", { proxy });
  const first = await connectUser(api.url, { key: "doc", user: "ada" });
  expect(asked.some((request) => request.startsWith("POST "))).toBe(true);

  asked.length = 0;
  for (let count = 0; count < 20; count++) {
    const again = await connectUser(api.url, { key: "doc", user: `user-${count}` });
    expect(again).toMatchObject({ generation: first.generation, spawned: false, stale: false });
  }
  expect(asked).toEqual([]);
});
