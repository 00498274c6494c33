import { afterAll, beforeAll, expect, test } from "vitest";
import { applyCrd } from "../support/cluster/apply-crd.ts";
import type { Disturbance } from "../support/cluster/crash/live.ts";
import { live } from "../support/cluster/crash/live.ts";
import { lives } from "../support/cluster/crash/lives.ts";
import { startHere } from "../support/cluster/crash/replaced-role.ts";
import { tryAllWrites } from "../support/cluster/crash/try-all-writes.ts";
import { makeNamespace, type TestNamespace } from "../support/cluster/namespace.ts";

let namespace: TestNamespace;
beforeAll(async () => {
  namespace = await makeNamespace();
  await applyCrd(namespace.client);
});
afterAll(() => namespace.dispose());

// As they never should: their leases keep them from it, but for a moment when one of them was stopped.
for (const life of Object.values(lives)) {
  test(`${life.name} is the same with two controllers that act at once: nothing is doubled`, async () => {
    const { client } = namespace;
    const alone = await live(life, { client, start: startHere });
    const kinds = ["controller", "controller", "sweeper", "sweeper"] as const;
    const together = await live(life, { client, start: startHere, kinds });
    expect(together.faults).toEqual([]);
    expect(together.endState).toEqual(alone.endState);
    expect(together.podsMade).toBe(1);
  });
}

const late: readonly Disturbance[] = [
  { kind: "late", until: "ready" },
  { kind: "late", until: "over" },
];

test("a write that a former controller or sweeper sent, and that arrives late, changes nothing", {
  timeout: 300_000,
}, async () => {
  const { problems, summary } = await tryAllWrites(lives.stopped, {
    start: startHere,
    disturbances: late,
    concurrency: 4,
  });
  console.log(summary);
  expect(problems).toEqual([]);
});
