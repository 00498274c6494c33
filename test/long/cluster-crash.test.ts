import { beforeAll, expect, test } from "vitest";
import { applyCrd } from "../support/cluster/apply-crd.ts";
import { openAdminClient } from "../support/cluster/client.ts";
import type { Disturbance } from "../support/cluster/crash/live.ts";
import { lives } from "../support/cluster/crash/lives.ts";
import { type StartRole, startAsProcess, startHere } from "../support/cluster/crash/replaced-role.ts";
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
const others: readonly Disturbance[] = [
  { kind: "cut", moment: "before" },
  { kind: "cut", moment: "after" },
  { kind: "conflict" },
  { kind: "internal error" },
  { kind: "late", until: "ready" },
  { kind: "late", until: "over" },
];

interface Way {
  readonly how: string;
  readonly start: StartRole;
  readonly disturbances: readonly Disturbance[];
}
const ways: readonly Way[] = [
  { how: "a role's process is killed", start: startAsProcess, disturbances: killed },
  { how: "a role is disturbed otherwise", start: startHere, disturbances: others },
];

for (const life of Object.values(lives)) {
  for (const { how, start, disturbances } of ways) {
    test(`${life.name} comes to the same end when at any one write ${how}`, { timeout: 20 * 60_000 }, async () => {
      const { problems, summary } = await tryAllWrites(life, { start, disturbances, concurrency: 4 });
      console.log(`${how}: ${summary}`, ...problems);
      expect(problems).toEqual([]);
    });
  }
}
