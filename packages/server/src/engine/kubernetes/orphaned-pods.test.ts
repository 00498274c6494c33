import { expect, test } from "vitest";
import type { Backend } from "../../core/resource.ts";
import { silentLog } from "../../lib/log.ts";
import pods from "./fixtures/pods.json" with { type: "json" };
import { OrphanedPods } from "./orphaned-pods.ts";
import { podLabels } from "./pod-names.ts";
import type { Pod } from "./pod-object.ts";
import { keepOfPod } from "./pod-view.ts";

const owner = { apiVersion: "spawner.dev/v1", kind: "SessionLivedBackend", name: "b", uid: "u", controller: true };
const backend: Backend = {
  metadata: { name: "b", uid: "u", resourceVersion: "1", creationTimestamp: "", labels: {} },
  spec: { template: { containers: [{}] } },
  status: {},
};
const labels = podLabels(backend, {});

/** A Pod that runs, as it is kept in memory. */
function podOf(metadata: Partial<Pod["metadata"]>): Pod {
  const { spec, status, metadata: found } = pods.running as unknown as Pod;
  const { uid, resourceVersion, creationTimestamp } = found;
  const pod = { metadata: { uid, resourceVersion, creationTimestamp, name: "b", ...metadata }, spec };
  return keepOfPod(status === undefined ? pod : { ...pod, status });
}

function setUp() {
  const lines: object[] = [];
  const log = { ...silentLog, warn: (fields: object) => void lines.push(fields) };
  return { orphans: new OrphanedPods({ log, namespace: "play" }), lines };
}

test("a Pod that its backend has left behind is told of once, with what ends it", () => {
  const { orphans, lines } = setUp();
  orphans.note(podOf({ labels, ownerReferences: [owner] }));
  expect(lines).toEqual([]);
  for (let looks = 0; looks < 3; looks++) orphans.note(podOf({ labels }));
  expect(lines).toEqual([{ pod: "b", advice: "kubectl delete pod b --namespace play" }]);
});

test.each([
  ["is somebody else's", { ownerReferences: [{ ...owner, apiVersion: "apps/v1", kind: "ReplicaSet" }], labels }],
  ["is nobody's, and not of ours", { labels: { app: "other" } }],
  ["has one of our labels alone", { labels: { "app.kubernetes.io/managed-by": "spawner" } }],
  ["is to end already", { labels, deletionTimestamp: "2026-01-01T00:00:00Z" }],
])("nothing is told of one that %s", (_, metadata) => {
  const { orphans, lines } = setUp();
  orphans.note(podOf(metadata));
  expect(lines).toEqual([]);
});
