import { expect, test, vi } from "vitest";
import { deadlines } from "../core/deadlines.ts";
import { SpawnerError } from "../core/errors.ts";
import { endedPatch, reachedPatch } from "../core/status.ts";
import { startGateway } from "./fixture.ts";

/** A gateway, and one backend that is on its way. */
async function startWithBackend({ parkedMax = 10 } = {}) {
  const { clock, metrics, backends, ask } = await startGateway({ parkedMax });
  const backend = await backends.create({ name: "b", spec: { template: { containers: [{}] } } });
  const counted = async () => {
    const found = (await metrics.text()).matchAll(
      /^spawner_gateway_parked_requests(?:_total\{outcome="(.*)"\})? (\d+)$/gm,
    );
    return Object.fromEntries([...found].map(([, outcome = "now", count]) => [outcome, Number(count)]));
  };
  return {
    clock,
    backends,
    backend,
    ask: () => ask("GET /b/ HTTP/1.1\r\nhost: a\r\n\r\n"),
    expectCounts: (counts: Record<string, number>) =>
      vi.waitFor(async () => {
        const none = { now: 0, ready: 0, ended: 0, unknown: 0, refused: 0, timeout: 0, full: 0, gone: 0, failed: 0 };
        expect(await counted()).toEqual({ ...none, ...counts });
      }),
  };
}

test("a parked request that is not answered in time", async () => {
  const { clock, ask, expectCounts } = await startWithBackend();
  const { status } = ask();
  await expectCounts({ now: 1 });
  clock.advance(deadlines.parkMs - 1);
  await expectCounts({ now: 1 });
  clock.advance(1);
  expect(await status).toBe(503);
  await expectCounts({ timeout: 1 });
});

test("parked requests whose backend ends, and whose backend's record is deleted", async () => {
  const { backends, backend, ask, expectCounts } = await startWithBackend();
  const first = ask();
  await expectCounts({ now: 1 });
  const end = endedPatch(backend, { reason: "Crashed", message: "", at: new Date() });
  const { metadata } = await backends.patchStatus(backend.metadata, end ?? {});
  expect(await first.status).toBe(410);
  await expectCounts({ ended: 1 });

  await backends.delete(metadata);
  await backends.create({ name: "b", spec: backend.spec });
  const second = ask();
  await expectCounts({ now: 1, ended: 1 });
  const { items } = await backends.list();
  for (const item of items) await backends.delete(item.metadata);
  expect(await second.status).toBe(404);
  await expectCounts({ ended: 1, unknown: 1 });
});

test("a request goes on waiting over states that are not the one, and counts once", async () => {
  const { backends, backend, ask, expectCounts } = await startWithBackend();
  const { socket } = ask();
  await expectCounts({ now: 1 });
  const reached = reachedPatch(backend, { Constructed: new Date(), Running: new Date() });
  await backends.patchStatus(backend.metadata, reached ?? {});
  await expectCounts({ now: 1 });
  socket.resetAndDestroy();
  await expectCounts({ gone: 1 });
});

test("requests beyond the limit, and those for which the store cannot be read", async () => {
  const { backends, ask, expectCounts } = await startWithBackend({ parkedMax: 1 });
  const waiting = ask();
  await expectCounts({ now: 1 });
  expect(await ask().status).toBe(503);
  await expectCounts({ now: 1, full: 1 });

  backends.get = () => Promise.reject(new SpawnerError("unavailable", "the store is away"));
  const { items } = await backends.list();
  for (const { metadata } of items) await backends.delete(metadata);
  expect(await waiting.status).toBe(503);
  await expectCounts({ full: 1, failed: 1 });
});
