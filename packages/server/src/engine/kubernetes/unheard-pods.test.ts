import { describe, expect, test } from "vitest";
import { FakeClock } from "../../lib/fake-clock.ts";
import pods from "./fixtures/pods.json" with { type: "json" };
import type { Pod } from "./pod-object.ts";
import { UnheardPods } from "./unheard-pods.ts";

const running = pods.running as unknown as Pod;
const unheard = pods.unheard as unknown as Pod;
const { uid } = unheard.metadata;

/** Pods that answer or do not, and a clock that waits for each answer. */
function setUp() {
  const clock = new FakeClock();
  const lost: string[] = [];
  const asked: string[] = [];
  const network = { answers: false };
  const pods = new UnheardPods({
    clock,
    nodeLostSeconds: 60,
    onLost: ({ metadata }) => lost.push(metadata.uid),
    answers: async ({ status = {} }) => {
      asked.push(status.podIP ?? "");
      return network.answers;
    },
  });
  const pass = async (seconds: number) => {
    for (let passed = 0; passed < seconds; passed++) {
      await new Promise(setImmediate);
      clock.advance(1_000);
      await new Promise(setImmediate);
    }
  };
  return { pods, lost, asked, network, pass };
}

describe("a Pod whose node is not heard of", () => {
  test("is given up when it has not answered either, for as long as that is to be, and not before", async () => {
    const { pods, lost, pass } = setUp();
    pods.note(unheard);
    await pass(59);
    expect([lost, pods.isLost(uid)]).toEqual([[], false]);
    await pass(6);
    expect([lost, pods.isLost(uid)]).toEqual([[uid], true]);
  });

  test("is never given up while it answers", async () => {
    const { pods, lost, asked, network, pass } = setUp();
    network.answers = true;
    pods.note(unheard);
    await pass(600);
    expect(lost).toEqual([]);
    expect(asked.length).toBeGreaterThan(100);
    expect(new Set(asked)).toEqual(new Set([unheard.status?.podIP]));
  });

  test("that answers once is given all of the time again", async () => {
    const { pods, lost, network, pass } = setUp();
    pods.note(unheard);
    await pass(50);
    network.answers = true;
    await pass(6);
    network.answers = false;
    await pass(59);
    expect(lost).toEqual([]);
    await pass(10);
    expect(lost).toEqual([uid]);
  });

  test("is left alone once its node is heard of again, or it is gone", async () => {
    for (const end of ["heard", "gone"]) {
      const { pods, lost, asked, pass } = setUp();
      pods.note(unheard);
      await pass(30);
      if (end === "gone") pods.forget(uid);
      else pods.note({ ...running, metadata: unheard.metadata });
      const before = asked.length;
      await pass(120);
      expect([lost, asked.length]).toEqual([[], before]);
    }
  });
});

test("a Pod whose node is heard of is not asked, ready or not", async () => {
  const { pods: watched, asked, pass } = setUp();
  for (const pod of [pods.running, pods.relaying, pods.crashed]) watched.note(pod as unknown as Pod);
  await pass(30);
  expect(asked).toEqual([]);
});
