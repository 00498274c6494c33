import { expect, test } from "vitest";
import { raceArrivals } from "../support/arrival.ts";
import { arrivalServers } from "../support/arrival-servers.ts";

const rounds = 500;

test.each(arrivalServers)(
  "500 times, who arrives as a backend is swept is served or told why not: roles %s",
  async (roles, start) => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const race = await raceArrivals({ url: await start(), rounds, atOnce: 20, seed });
    console.log(`roles ${roles}, ${rounds} rounds, seed ${seed}`);
    console.table(race.counts);
    expect(race.faults).toEqual([]);
    for (const { served, refused } of Object.values(race.counts)) {
      expect(served + refused).toBe(rounds);
      expect(Math.min(served, refused)).toBeGreaterThan(rounds / 10);
    }
  },
  300_000,
);
