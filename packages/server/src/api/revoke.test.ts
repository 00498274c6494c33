import { expect, test } from "vitest";
import { SpawnerError } from "../core/errors.ts";
import { systemClock } from "../lib/clock.ts";
import { startApi } from "./fixture.ts";
import { makeRevoke } from "./revoke.ts";

async function setUp() {
  const { engine } = await startApi();
  const create = () => engine.backends.create({ name: "spawner-b", spec: { template: { containers: [{}] } } });
  const backend = await create();
  const stored = async () => (await engine.backends.get("spawner-b"))?.status.revocations;
  return { engine, create, backend, stored, revoke: makeRevoke({ engine, clock: systemClock }) };
}

test("what two APIs take back at once is taken back, all of it", async () => {
  const { engine, backend, stored, revoke } = await setUp();
  const other = makeRevoke({ engine, clock: systemClock });
  const names = Array.from({ length: 40 }, (_, index) => `u${index}`);
  await Promise.all(names.flatMap((name) => [revoke(backend, { user: name }), other(backend, { tokenId: name })]));
  const { users, tokens } = (await stored()) ?? {};
  expect([Object.keys(users ?? {}).sort(), Object.keys(tokens ?? {}).sort()]).toEqual([
    names.toSorted(),
    names.toSorted(),
  ]);
});

test("a record does not grow without end, and nobody gets in again by what it has forgotten", async () => {
  const { backend, stored, revoke } = await setUp();
  for (let index = 0; index < 256; index++) await revoke(backend, { user: `u${index}` });
  expect(Object.keys((await stored())?.users ?? {})).toHaveLength(256);
  await revoke(backend, { tokenId: "t" });
  expect(await stored()).toEqual({ users: {}, tokens: {}, everyone: expect.any(String) });
});

test("a write of somebody else's in between is taken into account, and not written over", async () => {
  const { engine, backend, stored, revoke } = await setUp();
  const { patchStatus } = engine.backends;
  let isFirst = true;
  engine.backends.patchStatus = async (target, patch) => {
    if (isFirst) {
      isFirst = false;
      const { name, uid } = backend.metadata;
      await patchStatus.call(
        engine.backends,
        { name, uid },
        { revocations: { users: { bob: "2026-01-01T00:00:00Z" } } },
      );
    }
    return patchStatus.call(engine.backends, target, patch);
  };
  await revoke(backend, { user: "ada" });
  expect(await stored()).toMatchObject({ users: { ada: expect.any(String) } });
});

test("a backend that has given way to the next of its name is gone", async () => {
  const { engine, create, backend, stored, revoke } = await setUp();
  await engine.backends.delete(backend.metadata);
  await create();
  await expect(revoke(backend, { user: "ada" })).rejects.toMatchObject({ code: "not_found" });
  expect(await stored()).toBeUndefined();
});

test("one that fails keeps none that waits behind it from being tried", async () => {
  const { engine, backend, stored, revoke } = await setUp();
  const { patchStatus } = engine.backends;
  engine.backends.patchStatus = async () => {
    engine.backends.patchStatus = patchStatus;
    throw new Error("the database is away");
  };
  const [failed, done] = await Promise.allSettled([revoke(backend, { user: "ada" }), revoke(backend, { user: "bob" })]);
  expect([failed.status, done.status]).toEqual(["rejected", "fulfilled"]);
  expect(Object.keys((await stored())?.users ?? {})).toEqual(["bob"]);
});

test("while the store is away those that wait behind another fail with it, and the next is tried anew", async () => {
  const { engine, backend, stored, revoke } = await setUp();
  const { patchStatus } = engine.backends;
  let attempts = 0;
  engine.backends.patchStatus = async () => {
    attempts += 1;
    throw new SpawnerError("unavailable", "the store is away");
  };
  const users = ["ada", "bob", "cy"];
  const outcomes = await Promise.allSettled(users.map((user) => revoke(backend, { user })));
  expect(outcomes.map(({ status }) => status)).toEqual(users.map(() => "rejected"));
  expect(attempts).toBe(1);
  engine.backends.patchStatus = patchStatus;
  await revoke(backend, { user: "ada" });
  expect(Object.keys((await stored())?.users ?? {})).toEqual(["ada"]);
});
