import { expect, test } from "vitest";
import type { Backend } from "../core/resource.ts";
import type { LivingState } from "../core/states.ts";
import { applyStatusPatch, endedPatch, reachedPatch, type StatusPatch } from "../core/status.ts";
import { makeSessionEvents } from "./session-events.ts";

const made: Backend = {
  metadata: {
    name: "spawner-b1",
    uid: "u1",
    resourceVersion: "1",
    labels: {},
    creationTimestamp: "2026-01-01T00:00:00Z",
  },
  spec: { template: { containers: [{ name: "application" }] } },
  status: {},
};
const withPatch = (backend: Backend, patch: StatusPatch | undefined): Backend => ({
  ...backend,
  status: applyStatusPatch(backend.status, patch ?? {}),
});
const reach = (backend: Backend, ...states: LivingState[]) =>
  withPatch(backend, reachedPatch(backend, Object.fromEntries(states.map((state) => [state, new Date()]))));
const end = (backend: Backend) =>
  withPatch(backend, endedPatch(backend, { reason: "Idle", message: "Nobody was there.", at: new Date() }));

/** The events of a watch, by their states, and how to make it tell of changes. */
function watchEvents() {
  const told: string[] = [];
  const onChange = makeSessionEvents(({ status }) => told.push(status.state));
  return {
    told,
    synced: () => onChange({ kind: "synced" }),
    changed: (backend: Backend) => onChange({ kind: "changed", backend }),
  };
}

test("each state is told once, however often its backend changes", () => {
  const { told, synced, changed } = watchEvents();
  synced();
  const ready = reach(reach(made, "Submitted"), "Ready");
  for (const backend of [reach(made, "Submitted"), ready, ready, end(ready), end(ready)]) changed(backend);
  expect(told).toEqual(["Submitted", "Ready", "Swept"]);
});

test("a state that becomes known after a later one is passed over, and the later one is not told again", () => {
  const { told, synced, changed } = watchEvents();
  synced();
  const ready = reach(made, "Submitted", "Ready");
  changed(ready);
  changed(reach(ready, "Constructed", "Running"));
  expect(told).toEqual(["Submitted", "Ready"]);
});

test("what had ended before the watch began is passed over, and what lives then is told", () => {
  const { told, synced, changed } = watchEvents();
  const before = end(reach(made, "Submitted", "Ready"));
  changed(before);
  changed({ ...reach(made, "Submitted"), metadata: { ...made.metadata, uid: "u2" } });
  synced();
  changed(before);
  expect(told).toEqual(["Submitted"]);
});
