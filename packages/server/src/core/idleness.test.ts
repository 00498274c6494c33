import fc from "fast-check";
import { expect, test } from "vitest";
import { type ClientActivity, type IdlenessRule, millisecondsUntilIdle } from "./idleness.ts";

const seen: ClientActivity = { live: 0, lastActiveMs: 1_000_000, everActive: true, heldUntilMs: 0 };
const unseen: ClientActivity = { ...seen, everActive: false };
const minute: IdlenessRule = { gracePeriodSeconds: 60, firstClientSeconds: 30 };

/** Each is asked 20 s after the last activity. */
const cases: [string, ClientActivity, IdlenessRule, number | undefined][] = [
  ["somebody is there", { ...seen, live: 1 }, minute, undefined],
  ["somebody is there, and a hold is over", { ...seen, live: 2, heldUntilMs: 1 }, minute, undefined],
  ["the last has left", seen, minute, 40_000],
  ["the grace is just over", seen, { ...minute, gracePeriodSeconds: 20 }, 0],
  ["the grace is long over", seen, { ...minute, gracePeriodSeconds: 5 }, -15_000],
  ["there is no grace", seen, { gracePeriodSeconds: 0, firstClientSeconds: 30 }, -20_000],
  ["nobody came yet, and the grace is the longer wait", unseen, minute, 40_000],
  ["nobody came yet, and the first client is given longer", unseen, { ...minute, gracePeriodSeconds: 5 }, 10_000],
  ["somebody came, so that the first client is not waited for", seen, { ...minute, gracePeriodSeconds: 5 }, -15_000],
  ["a hold lasts longer than the grace", { ...seen, heldUntilMs: 1_100_000 }, minute, 80_000],
  ["a hold ends before the grace", { ...seen, heldUntilMs: 1_030_000 }, minute, 40_000],
  ["a hold lasts after the grace", { ...seen, heldUntilMs: 1_020_001 }, { ...minute, gracePeriodSeconds: 5 }, 1],
];

test.each(cases)("%s", (_, activity, rule, expected) => {
  expect(millisecondsUntilIdle(activity, rule, 1_020_000)).toBe(expected);
});

test("who is there keeps it for ever, and time brings it nearer by exactly itself", () => {
  const activities = fc.record({
    live: fc.nat(3),
    lastActiveMs: fc.nat(),
    everActive: fc.boolean(),
    heldUntilMs: fc.nat(),
  });
  const rules = fc.record({ gracePeriodSeconds: fc.nat(1000), firstClientSeconds: fc.nat(1000) });
  fc.assert(
    fc.property(activities, rules, fc.nat(), fc.nat(), (activity, rule, nowMs, laterMs) => {
      const until = millisecondsUntilIdle(activity, rule, nowMs);
      expect(until === undefined).toBe(activity.live > 0);
      if (until === undefined) return;
      expect(millisecondsUntilIdle(activity, rule, nowMs + laterMs)).toBe(until - laterMs);
      expect(nowMs + until).toBeGreaterThanOrEqual(activity.lastActiveMs + rule.gracePeriodSeconds * 1000);
      expect(nowMs + until).toBeGreaterThanOrEqual(activity.heldUntilMs);
    }),
  );
});
