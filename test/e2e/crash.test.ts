import { expect, test } from "vitest";
import { lives } from "../support/crash/lives.ts";
import { tryAllPoints } from "../support/crash/try-all-points.ts";

// The other lives, and crashes of the restarted server, are in test/long/crash.test.ts.
test("a server that is killed before or after any step of a session's life goes on with it", {
  timeout: 300_000,
}, async () => {
  const { points, problems, summary } = await tryAllPoints(lives.idle);
  console.log(summary);
  expect(problems).toEqual([]);
  const steps = ["mkdir the state folder", "writeFile owner.pid", "COMMIT", "start a program", "hear of its spawn"];
  const lastSteps = [
    "send SIGTERM to a group",
    "hear of its exit",
    "DELETE FROM workloads WHERE uid",
    "rm output/<uid>.log",
  ];
  expect(points).toEqual(expect.arrayContaining([...steps, ...lastSteps]));
});
