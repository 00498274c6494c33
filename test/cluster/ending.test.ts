import { expect, test } from "vitest";
import { endedAt } from "../../packages/server/src/core/status.ts";
import { eventually } from "../support/cluster/eventually.ts";
import { startController, startSweeper } from "../support/cluster/roles.ts";
import {
  createSession,
  podsOf,
  requestStop,
  type SessionProgram,
  sessionSpec,
  untilState,
} from "../support/cluster/session.ts";
import { openStage } from "../support/cluster/stage.ts";

/** Of the node: it notices that a container has ended, and tells; more where other Pods end at the same time. */
const nodeMs = 8_000;

interface Ending {
  readonly program: SessionProgram;
  readonly graceSeconds: number;
  readonly needsMs: number;
}

test.each<Ending>([
  { program: "echoes", graceSeconds: 60, needsMs: 0 },
  { program: "ignores what it is asked", graceSeconds: 3, needsMs: 3_000 },
])("a Pod is gone as soon as its program has ended: one that $program", async ({ program, graceSeconds, needsMs }) => {
  const { client, namespace, defer } = await openStage();
  defer(await startController({ namespace }));
  defer(await startSweeper({ namespace }));
  const isReady = program === "echoes" ? "Ready" : "Running";
  await createSession(client, "ends", sessionSpec(program, { terminationGracePeriodSeconds: graceSeconds }));
  await untilState(client, "ends", { state: isReady });
  await requestStop(client, "ends");
  const { status, ...backend } = await untilState(client, "ends", { state: "Swept" });
  const endedAtMs = endedAt({ ...backend, status })?.getTime() ?? 0;
  await eventually(async () => expect(await podsOf(client)).toEqual([]), graceSeconds * 1000 + 20_000);
  const lingeredMs = Date.now() - endedAtMs;
  console.log(`a program that ${program}: its Pod was there for ${lingeredMs} ms more`);
  expect(lingeredMs).toBeGreaterThanOrEqual(needsMs);
  expect(lingeredMs).toBeLessThan(needsMs + nodeMs);
});
