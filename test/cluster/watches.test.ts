import { afterAll, beforeAll, expect, test } from "vitest";
import { applyCrd } from "../support/cluster/apply-crd.ts";
import { live } from "../support/cluster/crash/live.ts";
import { lives } from "../support/cluster/crash/lives.ts";
import { type DisturbWatches, startHere } from "../support/cluster/crash/replaced-role.ts";
import { makeNamespace, type TestNamespace } from "../support/cluster/namespace.ts";

let namespace: TestNamespace;
let undisturbed: Awaited<ReturnType<typeof live>>;

beforeAll(async () => {
  namespace = await makeNamespace();
  await applyCrd(namespace.client);
  undisturbed = await live(lives.idle, { client: namespace.client, start: startHere });
  expect(undisturbed.faults).toEqual([]);
});
afterAll(() => namespace.dispose());

function every(ms: number, act: () => void): () => void {
  const timer = setInterval(act, ms);
  return () => clearInterval(timer);
}

const disturbed: Record<string, DisturbWatches> = {
  "each event comes twice": (watches) => {
    watches.copies = 2;
    return () => {};
  },
  "each event comes a second and a half late": (watches) => {
    watches.delayMs = 1_500;
    return () => {};
  },
  "each event comes late and twice, and watches are cut again and again": (watches) => {
    watches.copies = 2;
    watches.delayMs = 300;
    return every(700, () => watches.cut());
  },
  "watches are cut again and again": (watches) => every(250, () => watches.cut()),
  "what a watch wants to go on from has expired, again and again": (watches) =>
    every(400, () => watches.expire({ times: 2 })),
};

test.each(Object.entries(disturbed))("a life comes to the same end when %s", async (_name, disturbWatches) => {
  const { client } = namespace;
  const { endState, faults } = await live(lives.idle, { client, start: startHere, disturbWatches });
  expect(faults).toEqual([]);
  expect(endState).toEqual(undisturbed.endState);
});
