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

// What is disturbed by twos: in test/long/cluster-crash.test.ts, with roles as processes.
const disturbances: Record<string, readonly Disturbance[]> = {
  "its role is killed": [
    { kind: "killed", moment: "before" },
    { kind: "killed", moment: "after" },
  ],
  "its connection is cut": [
    { kind: "cut", moment: "before" },
    { kind: "cut", moment: "after" },
  ],
  "it is refused": [{ kind: "conflict" }, { kind: "internal error" }],
};

for (const life of Object.values(lives)) {
  for (const [what, kinds] of Object.entries(disturbances)) {
    test(`${life.name} comes to the same end when at any one write ${what}`, { timeout: 300_000 }, async () => {
      const { writes, problems, summary } = await tryAllWrites(life, {
        start: startHere,
        disturbances: kinds,
        concurrency: 6,
      });
      console.log(`${what}: ${summary}`, ...problems);
      expect(problems).toEqual([]);
      expect(writes).toEqual(
        expect.arrayContaining(["controller POST secrets", "controller POST pods", "controller DELETE pods"]),
      );
    });
  }
}
