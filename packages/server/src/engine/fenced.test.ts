import { expect, test } from "vitest";
import type { Backend } from "../core/resource.ts";
import type { Engine } from "./engine.ts";
import { fenced } from "./fenced.ts";

/** An engine that says which of its calls were made. */
function recording(): { engine: Engine; calls: string[] } {
  const calls: string[] = [];
  const half = (of: string) =>
    new Proxy({}, { get: (_, name) => async () => void calls.push(`${of}.${String(name)}`) });
  const engine = {
    backends: half("backends"),
    workloads: half("workloads"),
    relayHost: () => undefined,
    close: async () => {},
  };
  return { engine: engine as unknown as Engine, calls };
}

const target = { name: "b", uid: "u" };
const backend = {} as Backend;

const writes = (engine: Engine) => [
  () => engine.backends.create({ name: "b", spec: { template: { containers: [{}] } } }),
  () => engine.backends.patchStatus(target, {}),
  () => engine.backends.requestStop(target),
  () => engine.backends.delete(target),
  () => engine.workloads.ensure(backend),
  () => engine.workloads.remove(target, 0),
];

test("whoever may write writes; from the moment on that it may not, each write is refused, and reads go on", async () => {
  const { engine, calls } = recording();
  let mayWrite = true;
  const guarded = fenced(engine, () => mayWrite);
  for (const write of writes(guarded)) await write();
  expect(calls).toEqual([
    "backends.create",
    "backends.patchStatus",
    "backends.requestStop",
    "backends.delete",
    "workloads.ensure",
    "workloads.remove",
  ]);

  calls.length = 0;
  mayWrite = false;
  for (const write of writes(guarded)) await expect(write()).rejects.toMatchObject({ code: "unavailable" });
  await guarded.backends.get("b");
  await guarded.backends.list();
  await guarded.workloads.observe(target);
  await guarded.workloads.list();
  expect(calls).toEqual(["backends.get", "backends.list", "workloads.observe", "workloads.list"]);
});
