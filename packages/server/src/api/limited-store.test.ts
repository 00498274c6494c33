import { expect, test, vi } from "vitest";
import { endedPatch } from "../core/status.ts";
import { startApi } from "./fixture.ts";
import { LimitedStore } from "./limited-store.ts";

const spec = { template: { containers: [{}] }, user: "ada" };

test("a backend of whose end the watch told before its creation was answered takes nobody's place", async () => {
  const { engine } = await startApi();
  const { backends } = engine;
  const store = new LimitedStore(engine, { backendsMax: 1, userBackendsMax: 1 });
  const create = backends.create.bind(backends);
  const seen = vi.fn();
  const unwatch = backends.watch((change) => change.kind === "changed" && seen(change.backend.status.swept));
  backends.create = async (draft) => {
    const backend = await create(draft);
    const end = endedPatch(backend, { reason: "Requested", message: "", at: new Date() });
    await backends.patchStatus(backend.metadata, end ?? {});
    await vi.waitFor(() => expect(seen).toHaveBeenLastCalledWith(true));
    return backend;
  };
  await store.create({ name: "spawner-a", spec });
  backends.create = create;
  await store.create({ name: "spawner-b", spec });
  await expect(store.create({ name: "spawner-c", spec })).rejects.toMatchObject({ code: "too_many_backends" });
  unwatch();
  store.close();
});

test("a backend that has ended counts for its user until its program is over", async () => {
  const { engine, end } = await startApi();
  const going = new Set<string>();
  engine.workloads.observe = async ({ name }) => ({ kind: going.has(name) ? "stopping" : "absent" });
  const store = new LimitedStore(engine, { userBackendsMax: 2 });
  for (const id of ["a", "b"]) {
    await store.create({ name: `spawner-${id}`, spec });
    going.add(`spawner-${id}`);
    await end(id, "Requested");
  }
  await expect(store.create({ name: "spawner-c", spec })).rejects.toMatchObject({
    code: "too_many_backends",
    message: "2 backends of this user live or are ending, and no more than 2 are allowed (--user-backends-max).",
  });
  await store.create({ name: "spawner-d", spec: { ...spec, user: "grace" } });
  going.delete("spawner-a");
  await store.create({ name: "spawner-e", spec });
  await expect(store.create({ name: "spawner-f", spec })).rejects.toMatchObject({ code: "too_many_backends" });
  store.close();
});

test("a backend whose record is gone counts for nobody", async () => {
  const { engine, end, forget } = await startApi();
  engine.workloads.observe = async () => ({ kind: "stopping" });
  const store = new LimitedStore(engine, { userBackendsMax: 1 });
  await store.create({ name: "spawner-a", spec });
  await end("a", "Requested");
  await forget("a");
  await vi.waitFor(() => store.create({ name: "spawner-b", spec }));
  store.close();
});
