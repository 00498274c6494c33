import { beforeAll, expect, test } from "vitest";
import { applyCrd } from "../support/cluster/apply-crd.ts";
import { openAdminClient } from "../support/cluster/client.ts";
import type { Disturbance } from "../support/cluster/crash/live.ts";
import { lives } from "../support/cluster/crash/lives.ts";
import { startHere } from "../support/cluster/crash/replaced-role.ts";
import { tryAllWrites } from "../support/cluster/crash/try-all-writes.ts";

beforeAll(async () => {
  const client = await openAdminClient();
  await applyCrd(client);
  client.close();
});

const killed: readonly Disturbance[] = [
  { kind: "killed", moment: "before" },
  { kind: "killed", moment: "after" },
];
const refused: readonly Disturbance[] = [{ kind: "conflict" }, { kind: "internal error" }];

// All disturbances of all lives, and roles as processes, are in test/long/cluster-crash.test.ts.
const trials = [
  { life: lives.idle, what: "its role is killed", disturbances: killed },
  { life: lives.idle, what: "it is refused", disturbances: refused },
  { life: lives.failing, what: "its role is killed", disturbances: killed },
];

for (const { life, what, disturbances } of trials) {
  test(`${life.name} comes to the same end when at any one write ${what}`, { timeout: 300_000 }, async () => {
    const { writes, problems, summary } = await tryAllWrites(life, { start: startHere, disturbances, concurrency: 6 });
    console.log(`${what}: ${summary}`, ...problems);
    expect(problems).toEqual([]);
    const steps = ["controller POST secrets", "controller POST pods", "controller DELETE pods"];
    expect(writes).toEqual(expect.arrayContaining([...steps, "controller PATCH sessionlivedbackends/status"]));
  });
}
