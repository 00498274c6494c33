import { expect, test } from "vitest";
import type { Backend } from "../core/resource.ts";
import { applyStatusPatch, endedPatch } from "../core/status.ts";
import { RecordLimit } from "./record-limit.ts";

const living: Backend = {
  metadata: { name: "b", uid: "1", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00.000Z", labels: {} },
  spec: { template: { containers: [{}] } },
  status: {},
};

function endedAtSecond(second: number): Backend {
  const at = new Date(Date.UTC(2026, 0, 1, 0, 0, second));
  return { ...living, status: applyStatusPatch({}, endedPatch(living, { reason: "Idle", message: "", at }) ?? {}) };
}

test("the oldest that ended are surplus, whatever the order in which they become known", () => {
  const limit = new RecordLimit(2);
  expect(limit.note("b/new", endedAtSecond(3))).toEqual([]);
  expect(limit.note("b/living", living)).toEqual([]);
  expect(limit.note("b/old", endedAtSecond(1))).toEqual([]);
  expect(limit.note("b/middle", endedAtSecond(2))).toEqual(["b/old"]);
  expect(limit.isSurplus("b/old")).toBe(true);
  expect(limit.note("b/old", endedAtSecond(1))).toEqual([]);
  limit.forget("b/old");
  expect(limit.isSurplus("b/old")).toBe(false);
});
