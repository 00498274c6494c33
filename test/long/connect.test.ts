import { expect, test } from "vitest";
import { raceStop, raceSweep } from "../support/connect-race.ts";
import { startRacers } from "../support/connect-race-embedded.ts";

const options = { rounds: 1_000, keys: 8 };

test.each([
  ["swept", raceSweep],
  ["asked to end", raceStop],
])(
  "1,000 connects while the backend is %s are each given one that answers",
  async (what, race) => {
    const counts = await race(await startRacers(), options);
    console.log(`connect raced with a backend being ${what}: ${JSON.stringify(counts)}`);
    expect(counts.kept + counts.replaced + counts.stoppedLater).toBe(options.rounds);
    expect(counts.unreached).toBe(0);
  },
  1_200_000,
);
