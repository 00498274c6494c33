import { expect, test } from "vitest";
import { raceAgainstClosing } from "../support/repeats.ts";

test("beside a program that is just closing its connections, what is safe is answered and nothing else is sent twice", async () => {
  const tally = await raceAgainstClosing({ seed: 1, rounds: 2_000 });
  console.log("2,000 requests from seed 1:", tally);
  expect(tally).toMatchObject({ requests: 2_000, failedSafe: 0, sentTwice: 0 });
  expect(tally.repeated).toBeGreaterThan(0); // else there was no race
});
