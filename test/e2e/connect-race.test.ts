import { expect, test } from "vitest";
import { raceStop, raceSweep } from "../support/connect-race.ts";
import { startRacers } from "../support/connect-race-embedded.ts";

const options = { rounds: 40, keys: 8 };

test("whoever connects while the backend is about to be swept is let in", async () => {
  const counts = await raceSweep(await startRacers(), options);
  expect(counts.kept + counts.replaced).toBe(options.rounds);
  expect(counts.unreached).toBe(0);
  // Both happen, or there was no race.
  expect(Math.min(counts.kept, counts.replaced)).toBeGreaterThan(0);
}, 120_000);

test("whoever connects while the backend is asked to end is given the next one", async () => {
  const counts = await raceStop(await startRacers(), options);
  expect(counts.replaced + counts.stoppedLater).toBe(options.rounds);
  expect(counts.unreached).toBe(0);
  expect(counts.replaced).toBeGreaterThan(options.rounds / 2);
}, 120_000);
