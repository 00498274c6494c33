import { expect, test, vi } from "vitest";
import { endedPatch } from "../core/status.ts";
import { startApi } from "./fixture.ts";
import { LimitedStore } from "./limited-store.ts";

const spec = { template: { containers: [{}] }, user: "ada" };

test("a backend of whose end the watch told before its creation was answered takes nobody's place", async () => {
  const { engine } = await startApi();
  const { backends } = engine;
  const store = new LimitedStore(backends, { backendsMax: 1, userBackendsMax: 1 });
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
