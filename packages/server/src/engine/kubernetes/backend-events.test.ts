import { describe, expect, test } from "vitest";
import type { Backend, BackendStatus } from "../../core/resource.ts";
import { announcedStates, buildEvent } from "./backend-events.ts";

const time = (second: number, rest = "000") => `2026-01-01T00:00:0${second}.${rest}Z`;

const makeBackend = (status: BackendStatus): Backend => ({
  metadata: { name: "b1", uid: "u-1", resourceVersion: "7", creationTimestamp: time(0), labels: {} },
  spec: { template: { containers: [{}] } },
  status,
});

const transitions = {
  Submitted: { time: time(0) },
  Constructed: { time: time(1) },
  Scheduled: { time: time(1) },
  Running: { time: time(2) },
  Ready: { time: time(2, "345") },
};

describe("an Event is written", () => {
  test("of every state but the first with 0.1.9's API to be served, in an order that their times keep", () => {
    const backend = makeBackend({ ready: true, transitions });
    const events = announcedStates(backend, { compat: true }).map((each) =>
      buildEvent(backend, each, { namespace: "spawner" }),
    );
    expect(events.map(({ action, eventTime }) => [action, eventTime])).toEqual([
      ["Constructed", time(1, "000001")],
      ["Scheduled", time(1, "000002")],
      ["Running", time(2, "000003")],
      ["Ready", time(2, "345004")],
    ]);
    expect(events.map(({ eventTime }) => eventTime).toSorted()).toEqual(events.map(({ eventTime }) => eventTime));
  });

  test("of the end alone otherwise", () => {
    expect(announcedStates(makeBackend({ ready: true, transitions }), { compat: false })).toEqual([]);
    const over = makeBackend({
      failed: true,
      reason: "Crashed",
      message: "code 3",
      transitions: { ...transitions, Failed: { time: time(5) } },
    });
    expect(announcedStates(over, { compat: false }).map(({ state }) => state)).toEqual(["Failed"]);
  });
});

test("it is about the resource, says why, and has one name however often it is written", () => {
  const backend = makeBackend({});
  const failed = { state: "Failed", time: time(5), reason: "Crashed", message: "code 3" } as const;
  expect(buildEvent(backend, failed, { namespace: "play" })).toEqual({
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "b1.u-1.failed", namespace: "play" },
    involvedObject: {
      apiVersion: "spawner.dev/v1",
      kind: "SessionLivedBackend",
      name: "b1",
      namespace: "play",
      uid: "u-1",
      resourceVersion: "7",
    },
    action: "Failed",
    reason: "Crashed",
    message: "code 3",
    type: "Warning",
    eventTime: time(5, "000006"),
    reportingComponent: "spawner.dev/sessionlivedbackend",
    reportingInstance: "b1",
  });
  expect(buildEvent(backend, { state: "Ready", time: time(2) }, { namespace: "play" })).toMatchObject({
    type: "Normal",
    reason: "Ready",
    message: expect.stringMatching(/listens/),
  });
  const long = { ...failed, message: "x".repeat(5_000) };
  expect(buildEvent(backend, long, { namespace: "play" }).message).toHaveLength(1_024);
  // The API server counts bytes, and wants no half of a character.
  const foreign = { ...failed, message: "€".repeat(1_000) };
  expect(buildEvent(backend, foreign, { namespace: "play" }).message).toBe("€".repeat(341));
});
