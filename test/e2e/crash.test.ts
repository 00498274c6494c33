import { expect, test } from "vitest";
import { lives } from "../support/crash/lives.ts";
import { tryAllPoints } from "../support/crash/try-all-points.ts";

// Crashes after each action, the other lives, and crashes of the server that comes next, are in test/long/crash.test.ts.
test("a life comes to the same end wherever its server is killed: a program that fails at its start", {
  timeout: 300_000,
}, async () => {
  const { points, problems, summary } = await tryAllPoints(lives.failing, { moments: ["before"] });
  console.log(summary);
  expect(problems).toEqual([]);
  const steps = ["mkdir the state folder", "writeFile owner.pid", "COMMIT", "start a program", "hear of its spawn"];
  const lastSteps = ["hear of its exit", "send SIGKILL to a group", "DELETE FROM workloads WHERE uid"];
  expect(points).toEqual(expect.arrayContaining([...steps, ...lastSteps, "close the database"]));
});
