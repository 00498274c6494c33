import type { EndReason } from "@spawner/client";
import { expect, test } from "vitest";
import type { Backend } from "../core/resource.ts";
import type { LivingState } from "../core/states.ts";
import { applyStatusPatch, endedPatch, reachedPatch, type StatusPatch } from "../core/status.ts";
import { Metrics } from "../lib/metrics.ts";
import { BackendMetrics } from "./backend-metrics.ts";

const createdAt = Date.parse("2026-01-31T12:00:00.000Z");

function created(name: string): Backend {
  return {
    metadata: {
      name,
      uid: `${name}-uid`,
      resourceVersion: "1",
      creationTimestamp: new Date(createdAt).toISOString(),
      labels: {},
    },
    spec: { template: { containers: [{}] } },
    status: {},
  };
}

const patched = (backend: Backend, patch: StatusPatch | undefined): Backend => ({
  ...backend,
  status: applyStatusPatch(backend.status, patch ?? {}),
});
const reached = (backend: Backend, state: LivingState, afterMs = 0) =>
  patched(backend, reachedPatch(backend, { [state]: new Date(createdAt + afterMs) }));
const ended = (backend: Backend, reason: EndReason) =>
  patched(backend, endedPatch(backend, { reason, message: "", at: new Date(createdAt) }));

function startMetrics() {
  const metrics = new Metrics();
  const backends = new BackendMetrics(metrics);
  return {
    see: (...seen: Backend[]) => {
      for (const backend of seen) backends.note({ kind: "changed", backend });
    },
    forget: (backend: Backend) => backends.note({ kind: "deleted", backend }),
    /** What is not zero, without the buckets. */
    counted: async () =>
      (await metrics.text())
        .split("\n")
        .filter((line) => line !== "" && !/^#|_bucket| 0$/.test(line))
        .map((line) => line.replace(/^spawner_backend/, "")),
  };
}

test("follows a life: one living backend in its latest state, one start, one end", async () => {
  const { see, counted } = startMetrics();
  const a = created("a");
  const ready = reached(reached(a, "Running"), "Ready", 1_500);
  see(a);
  expect(await counted()).toEqual(['s{state="Submitted"} 1']);
  see(reached(a, "Running"), ready, ready);
  expect(await counted()).toEqual([
    's{state="Ready"} 1',
    "_start_duration_seconds_sum 1.5",
    "_start_duration_seconds_count 1",
  ]);
  see(ended(ready, "Idle"), ended(ready, "Idle"));
  expect((await counted()).slice(0, 1)).toEqual(['s_ended_total{reason="Idle"} 1']);
});

test("after a restart counts what lives, and no start or end again", async () => {
  const { see, counted } = startMetrics();
  see(reached(created("a"), "Ready", 1_000), ended(created("b"), "Crashed"));
  expect(await counted()).toEqual(['s{state="Ready"} 1']);
});

test("a life whose last moments were seen at once counts as started and ended", async () => {
  const { see, counted } = startMetrics();
  const a = created("a");
  see(a, ended(reached(a, "Ready", 200), "Exited"));
  expect(await counted()).toEqual([
    's_ended_total{reason="Exited"} 1',
    "_start_duration_seconds_sum 0.2",
    "_start_duration_seconds_count 1",
  ]);
});

test("a record that is deleted ends its backend, once", async () => {
  const { see, forget, counted } = startMetrics();
  see(created("a"), created("b"), ended(created("b"), "Crashed"));
  forget(created("a"));
  forget(ended(created("b"), "Crashed"));
  expect(await counted()).toEqual(['s_ended_total{reason="Requested"} 1', 's_ended_total{reason="Crashed"} 1']);
});

test("another machine's clock makes no start shorter than nothing", async () => {
  const { see, counted } = startMetrics();
  see(created("a"), reached(created("a"), "Ready", -5_000));
  expect(await counted()).toEqual(['s{state="Ready"} 1', "_start_duration_seconds_count 1"]);
});
