import { expect, test } from "vitest";
import { SpawnerError } from "../core/errors.ts";
import { FakeClock } from "../lib/fake-clock.ts";
import { within } from "../lib/within.ts";
import { troubleOf } from "./trouble.ts";

test("of somebody who is away or slow a log has the message alone, of a fault all there is", async () => {
  expect(troubleOf(new SpawnerError("unavailable", "It is away.", { cause: new Error("reset") }))).toEqual({
    problem: "It is away.",
  });
  const clock = new FakeClock();
  const slow = within(new Promise(() => {}), { clock, mostMs: 2_000, what: "reading" }).catch(troubleOf);
  clock.advance(2_000);
  expect(await slow).toEqual({ problem: "reading took more than 2 s" });
  const fault = new TypeError("x is undefined");
  expect(troubleOf(fault)).toEqual({ err: fault });
});
