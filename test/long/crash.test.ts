import { expect, test } from "vitest";
import { lives } from "../support/crash/lives.ts";
import { tryAllPoints, tryAllRestarts } from "../support/crash/try-all-points.ts";

/** A life takes some seconds, and there are about a hundred; a busy machine may take three times as long. */
const timeout = 20 * 60_000;

const { outlived, ...others } = lives;

test.each([...Object.values(others).map((life) => ({ life, concurrency: 3 })), { life: outlived, concurrency: 6 }])(
  "$life.name comes to the same end wherever its server is killed",
  { timeout },
  async ({ life, ...options }) => {
    const { problems, summary } = await tryAllPoints(life, options);
    console.log(summary);
    expect(problems).toEqual([]);
  },
);

test.each([
  { life: lives.idle, moment: "after", name: "start a program" },
  { life: lives.stopped, moment: "before", name: "send SIGTERM to a group" },
  { life: lives.movedAlive, moment: "after", name: "hear of its exit" },
] as const)(
  '$life.name comes to the same end when its server is killed $moment "$name", and the next one anywhere',
  {
    timeout,
  },
  async ({ life, ...first }) => {
    const { problems, summary } = await tryAllRestarts(life, first);
    console.log(`killed twice: ${summary}`);
    expect(problems).toEqual([]);
  },
);
