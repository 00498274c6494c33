import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../lib/clock.ts";
import { SqliteBackendStore } from "./backend-store.ts";
import { openDatabase } from "./database.ts";
import { eventually, makeProcessHarness, type ProcessHarness } from "./fixtures/harness.ts";
import { makeStubRelayHosts } from "./fixtures/stub-relay-hosts.ts";
import { OutputFiles } from "./output-files.ts";
import type { ProcessEngine, ProcessEngineOptions } from "./process-engine.ts";
import { ProcessWorkloads } from "./process-workloads.ts";

let harness: ProcessHarness;

async function openWith(options: Partial<ProcessEngineOptions> = {}) {
  harness = await makeProcessHarness(options);
  return harness.open();
}

afterEach(async () => {
  await harness.dispose();
  expect(await harness.remains()).toEqual([]);
});

describe("the limit of backends", () => {
  test("counts those that live, and an end or a deletion makes room", async () => {
    const { backends } = await openWith({ backendsMax: 2 });
    const create = (name: string) => backends.create({ name, spec: harness.spec("sleeps") });
    const a = await create("a");
    const b = await create("b");
    await expect(create("c")).rejects.toMatchObject({
      code: "too_many_backends",
      message: "2 backends live or are ending, and no more than 2 are allowed (--backends-max).",
    });
    await expect(create("a")).rejects.toMatchObject({ code: "already_exists" });

    await backends.patchStatus(a.metadata, { swept: true, reason: "Idle" });
    await create("c");
    await expect(create("d")).rejects.toMatchObject({ code: "too_many_backends" });
    await backends.delete({ name: "a", uid: a.metadata.uid }); // had ended: makes no more room
    await expect(create("d")).rejects.toMatchObject({ code: "too_many_backends" });
    await backends.delete(b.metadata);
    await create("d");
  });

  test("is kept over a restart", async () => {
    const { backends } = await openWith({ backendsMax: 2 });
    const a = await backends.create({ name: "a", spec: harness.spec("sleeps") });
    await backends.create({ name: "b", spec: harness.spec("sleeps") });
    await backends.patchStatus(a.metadata, { failed: true });
    const { backends: again } = await harness.reopen();
    await again.create({ name: "c", spec: harness.spec("sleeps") });
    await expect(again.create({ name: "d", spec: harness.spec("sleeps") })).rejects.toMatchObject({
      code: "too_many_backends",
    });
  });
});

describe("a program that goes on after its backend has ended", () => {
  const tooMany = { code: "too_many_backends", message: expect.stringContaining("1 backends live or are ending") };

  async function startStubborn() {
    const engine = await openWith({ backendsMax: 1 });
    const backend = await harness.start("stubborn");
    await harness.written(backend, /listening/);
    await engine.workloads.remove(backend.metadata, 3_600);
    await engine.backends.patchStatus({ name: "stubborn", uid: backend.metadata.uid }, { swept: true, reason: "Idle" });
    return { engine, backend };
  }
  const create = ({ backends }: ProcessEngine) => backends.create({ name: "next", spec: harness.spec("sleeps") });

  test("counts until it is gone", async () => {
    const { engine, backend } = await startStubborn();
    await expect(create(engine)).rejects.toMatchObject(tooMany);
    await engine.workloads.remove(backend.metadata, 0);
    await harness.until(backend, "absent");
    await create(engine);
  });

  test("counts after a restart as well, and without a record", async () => {
    const { backend } = await startStubborn();
    const engine = await harness.reopen();
    await expect(create(engine)).rejects.toMatchObject(tooMany);
    await engine.backends.delete({ name: "stubborn", uid: backend.metadata.uid });
    await expect(create(engine)).rejects.toMatchObject(tooMany);
    await engine.workloads.remove(backend.metadata, 0);
    await harness.until(backend, "absent");
    await create(engine);
  });
});

describe("what may be run", () => {
  test("a second container is refused, and nothing is stored", async () => {
    const { backends } = await openWith();
    const container = { command: ["sleep", "600"] };
    const spec = { template: { containers: [container, container] } };
    await expect(backends.create({ name: "b", spec })).rejects.toMatchObject({
      code: "invalid_request",
      message: "A local engine runs one program a backend: one container is needed, and 2 were given.",
    });
    expect((await backends.list()).items).toEqual([]);
  });

  test.each(["", "B", "a.b", "../b", "x".repeat(64)])("the name %j is refused", async (name) => {
    const { backends } = await openWith();
    await expect(backends.create({ name, spec: harness.spec("sleeps") })).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining(JSON.stringify(name)),
    });
  });

  test("a backend without a command ends as InvalidSpec, and says what is needed", async () => {
    const { backends, workloads } = await openWith();
    const backend = await backends.create({ name: "b", spec: { template: { containers: [{ image: "nginx" }] } } });
    expect(await workloads.ensure(backend)).toMatchObject({
      kind: "ended",
      end: { reason: "InvalidSpec", message: expect.stringMatching(/containers\[0\]\.command is needed/) },
    });
  });
});

test("a watcher is told of everything that was there before a restart", async () => {
  const { backends } = await openWith();
  for (const name of ["b", "a"]) await backends.create({ name, spec: harness.spec("sleeps") });
  const { backends: again } = await harness.reopen();
  const told: unknown[] = [];
  again.watch((change) => told.push(change.kind === "synced" ? "synced" : change.backend.metadata.name));
  await eventually(() => expect(told).toEqual(["a", "b", "synced"]));
});

test("a database that cannot be written is said to be so, and what it holds stays as it was", async () => {
  harness = await makeProcessHarness();
  const database = openDatabase(harness.stateDir);
  const store = new SqliteBackendStore({
    database,
    clock: systemClock,
    backendsMax: 10,
    programs: () => [],
    admit: () => {},
    onDeleted: () => {},
  });
  const told: string[] = [];
  store.watch(({ kind }) => told.push(kind));
  const backend = await store.create({ name: "b", spec: harness.spec("sleeps") });
  database.exec("PRAGMA query_only = ON"); // as a full disk would
  const writes = [
    store.create({ name: "c", spec: harness.spec("sleeps") }),
    store.patchStatus(backend.metadata, { ready: true }),
    store.requestStop(backend.metadata),
    store.delete(backend.metadata),
  ];
  for (const { reason } of (await Promise.allSettled(writes)) as PromiseRejectedResult[]) {
    expect(reason).toMatchObject({ code: "unavailable", message: expect.stringContaining("cannot be written") });
  }
  expect(await store.list()).toEqual({ items: [backend] });
  database.exec("PRAGMA query_only = OFF");
  await store.requestStop(backend.metadata);
  expect(told).toEqual(["synced", "changed", "changed"]);
  database.close();
});

test("a program's end is noticed, and its removal goes on, while the database cannot be written", async () => {
  harness = await makeProcessHarness();
  const database = openDatabase(harness.stateDir);
  const spec = { template: { containers: [{ command: ["sh", "-c"], args: ["read line; exit 3"] }] } };
  const metadata = { name: "b", uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", labels: {} };
  const { open: openRelayHost } = makeStubRelayHosts();
  const workloads = await ProcessWorkloads.open({
    database,
    openRelayHost,
    output: new OutputFiles(harness.stateDir, { bytesMax: 1024 }),
    clock: systemClock,
    nodeName: "here",
  });
  database.exec("PRAGMA query_only = ON");
  await expect(workloads.ensure({ metadata, spec, status: {} })).rejects.toThrow("readonly");
  expect(await workloads.list()).toEqual([]);
  database.exec("PRAGMA query_only = OFF");
  await workloads.ensure({ metadata, spec, status: {} });
  database.exec("PRAGMA query_only = ON");
  await eventually(async () => expect(await workloads.observe(metadata)).toMatchObject({ kind: "ended" }));
  await workloads.remove(metadata, 0);
  await eventually(async () => expect(await workloads.observe(metadata)).toEqual({ kind: "absent" }));
  await workloads.release();
  database.close();
});
