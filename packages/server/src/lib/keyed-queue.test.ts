import { expect, test, vi } from "vitest";
import { FakeClock } from "./fake-clock.ts";
import { KeyedQueue, type KeyedQueueOptions } from "./keyed-queue.ts";

function makeQueue(work: KeyedQueueOptions["work"], options: Partial<KeyedQueueOptions> = {}) {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const queue = new KeyedQueue({
    clock,
    work,
    onError: (_, error) => errors.push(error),
    concurrency: 2,
    retryFirstMs: 100,
    retryMostMs: 300,
    ...options,
  });
  return { clock, queue, errors };
}

test("a key added many times while it is worked on is worked on once more, never twice at once", async () => {
  let running = 0;
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const { queue } = makeQueue(async () => {
    running += 1;
    expect(running).toBe(1);
    runs += 1;
    await gate.promise;
    running -= 1;
    return undefined;
  });
  for (let i = 0; i < 5; i++) queue.add("a");
  gate.resolve();
  await vi.waitFor(() => expect(runs).toBe(2));
  await queue.close();
  expect(runs).toBe(2);
});

test("no more keys are worked on at once than the concurrency says", async () => {
  let most = 0;
  let running = 0;
  const done: string[] = [];
  const { queue } = makeQueue(async (key) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running -= 1;
    done.push(key);
    return undefined;
  });
  for (const key of ["a", "b", "c", "d", "e"]) queue.add(key);
  await vi.waitFor(() => expect(done).toHaveLength(5));
  expect(most).toBe(2);
});

test("what asks to be looked at again is, at its time", async () => {
  let runs = 0;
  const { clock, queue } = makeQueue(async () => (++runs === 1 ? 5_000 : undefined));
  queue.add("a");
  await vi.waitFor(() => expect(runs).toBe(1));
  await Promise.resolve();
  clock.advance(4_999);
  expect(runs).toBe(1);
  clock.advance(1);
  await vi.waitFor(() => expect(runs).toBe(2));
});

test("a failing key is tried again after growing waits, up to the longest", async () => {
  let runs = 0;
  const { clock, queue, errors } = makeQueue(async () => {
    runs += 1;
    throw new Error(`run ${runs}`);
  });
  queue.add("a");
  for (const [index, waitMs] of [100, 200, 300, 300].entries()) {
    await vi.waitFor(() => expect(errors).toHaveLength(index + 1));
    await new Promise(setImmediate);
    clock.advance(waitMs - 1);
    expect(runs).toBe(index + 1);
    clock.advance(1);
  }
  await vi.waitFor(() => expect(runs).toBe(5));
});

test("of failures in a row the first is told as that", async () => {
  const firsts: boolean[] = [];
  let fails = true;
  const work = async () => {
    if (fails) throw new Error("away");
    return undefined;
  };
  const { queue } = makeQueue(work, { onError: (_, __, { isFirst }) => firsts.push(isFirst) });
  for (const expected of [[true], [true, false]]) {
    queue.add("a");
    await vi.waitFor(() => expect(firsts).toEqual(expected));
  }
  fails = false;
  queue.add("a");
  await new Promise(setImmediate);
  fails = true;
  queue.add("a");
  await vi.waitFor(() => expect(firsts).toEqual([true, false, true]));
  await queue.close();
});

test("closing waits for the work in hand and starts nothing more", async () => {
  const gate = Promise.withResolvers<void>();
  let finished = 0;
  const { queue } = makeQueue(async () => {
    await gate.promise;
    finished += 1;
    return 1;
  });
  for (const key of ["a", "b", "c"]) queue.add(key);
  const closed = queue.close();
  gate.resolve();
  await closed;
  expect(finished).toBe(2);
  queue.add("d");
  expect(finished).toBe(2);
});
