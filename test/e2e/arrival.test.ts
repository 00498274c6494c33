import { expect, test } from "vitest";
import { raceArrivals, totals } from "../support/arrival.ts";
import { arrivalServers } from "../support/arrival-servers.ts";

const rounds = 24;

test.each(arrivalServers)(
  "who arrives as a backend is swept is served by it or told why not: roles %s",
  async (_, start) => {
    const race = await raceArrivals({ url: await start(), rounds, atOnce: 12, seed: 1 });
    expect(race.faults).toEqual([]);
    const { served, refused } = totals(race);
    expect(served).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
    expect(served + refused).toBe(rounds * 5);
  },
);
