import { afterAll, beforeAll } from "vitest";
import { describeEngineContract } from "../../packages/server/src/engine/contract.ts";
import { applyCrd } from "../support/cluster/apply-crd.ts";
import { makeClusterHarness } from "../support/cluster/engine-harness.ts";
import { makeNamespace, type TestNamespace } from "../support/cluster/namespace.ts";

let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await makeNamespace();
  await applyCrd(namespace.client);
});

afterAll(() => namespace.dispose());

describeEngineContract("kubernetes", () => makeClusterHarness(namespace), {
  deadlineMs: 60_000,
  // The API server takes the shorter grace; the kubelet (1.36) is waiting for the first one by then, and goes on to do so.
  lacks: { hurry: "no node shortens a grace that has begun" },
});
