import { describe, expect, test } from "vitest";
import { heldBy, type Lease, type LeaseSpec, nextStep, released, sight } from "./lease.ts";

const lease = (spec: LeaseSpec, resourceVersion = "1"): Lease => ({
  metadata: { name: "spawner-controller", resourceVersion },
  spec,
});
const others = lease({ holderIdentity: "other", leaseDurationSeconds: 10, renewTime: "2020-01-01T00:00:00.000000Z" });

describe("a candidate", () => {
  const after = (seen: Lease | undefined, ms: number) => nextStep(sight(undefined, seen, 0), "me", ms);

  test.each([
    ["makes the lease where there is none", undefined, 0, { kind: "create" }],
    ["takes one that was given back", lease({ holderIdentity: "" }), 0, { kind: "take" }],
    ["takes one that never had a holder", lease({}), 0, { kind: "take" }],
    ["takes its own, whose answer was lost", lease({ holderIdentity: "me" }), 0, { kind: "take" }],
    ["waits for another's, however old the times in it are", others, 0, { kind: "wait", ms: 2_000 }],
    ["waits until another's is over, to the moment", others, 9_500, { kind: "wait", ms: 500 }],
    ["takes another's when its time is over", others, 10_000, { kind: "take" }],
    [
      "takes the promised time to be ours where none is said",
      lease({ holderIdentity: "other" }),
      9_999,
      { kind: "wait", ms: 1 },
    ],
    [
      "believes no promise that is too long",
      lease({ holderIdentity: "other", leaseDurationSeconds: 86_400 }),
      60_000,
      { kind: "take" },
    ],
  ] as const)("%s", (_, seen, ms, step) => {
    expect(after(seen, ms)).toMatchObject(step);
  });
});

describe("the last sign of life", () => {
  test("is when the record was seen to be another one, by one's own clock", () => {
    const first = sight(undefined, others, 1_000);
    const again = sight(first, lease({ ...others.spec }, "2"), 3_000); // a label was written, say
    expect(again.unchangedSinceMs).toBe(1_000);
    const renewed = sight(again, lease({ ...others.spec, renewTime: "2020-01-01T00:00:02.000000Z" }, "3"), 5_000);
    expect(renewed.unchangedSinceMs).toBe(5_000);
  });

  test("begins anew where there is a lease that was not there before, or the other way", () => {
    expect(sight(sight(undefined, undefined, 0), others, 7).unchangedSinceMs).toBe(7);
    expect(sight(sight(undefined, others, 0), undefined, 7).unchangedSinceMs).toBe(7);
  });
});

describe("the record", () => {
  const at = new Date("2026-01-31T12:00:00.250Z");
  const time = "2026-01-31T12:00:00.250000Z";

  test("of a first holder counts no transition", () => {
    expect(heldBy("me", undefined, at)).toEqual({
      holderIdentity: "me",
      leaseDurationSeconds: 10,
      acquireTime: time,
      renewTime: time,
      leaseTransitions: 0,
    });
  });

  test("of a renewal keeps since when, and how often it changed hands", () => {
    const before = { holderIdentity: "me", acquireTime: "2026-01-01T00:00:00.000000Z", leaseTransitions: 3 };
    expect(heldBy("me", before, at)).toMatchObject({ ...before, renewTime: time });
    expect(heldBy("you", before, at)).toMatchObject({ acquireTime: time, leaseTransitions: 4 });
  });

  test("of one that leaves has no holder", () => {
    expect(released({ holderIdentity: "me", leaseTransitions: 3 }, at)).toEqual({
      holderIdentity: "",
      leaseDurationSeconds: 1,
      renewTime: time,
      leaseTransitions: 3,
    });
  });
});
