import { expect, onTestFinished, test, vi } from "vitest";
import { SpawnerError } from "../core/errors.ts";
import type { HoldAnswer, RelayHost } from "../core/relay-host.ts";
import { endedPatch } from "../core/status.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { startApi } from "./fixture.ts";
import { Holds } from "./holds.ts";
import { Obtainer } from "./obtain-backend.ts";
import { StatusHub } from "./status-hub.ts";
import { wantedBackend } from "./wanted-backend.ts";

const { signal } = new AbortController();
const wanted = wantedBackend({ key: "doc" }, { servicePrefix: "spawner-" });
const another = wantedBackend({ key: "doc", env: { A: "1" } }, { servicePrefix: "spawner-" });

async function setUp() {
  const relayHosts = new Map<string, RelayHost>();
  const { engine } = await startApi({ relayHosts });
  const hub = new StatusHub(engine.backends);
  onTestFinished(() => hub.close());
  const warnings: string[] = [];
  const obtainer = new Obtainer({
    engine,
    clock: systemClock,
    hub,
    log: { ...silentLog, warn: (_, message) => warnings.push(message) },
    holds: new Holds({ engine, clock: systemClock }),
    create: (draft) => engine.backends.create(draft),
  });
  const hostWith = (hold: () => Promise<HoldAnswer>) =>
    void relayHosts.set(wanted.name, {
      watch: () => () => {},
      seal: () => Promise.reject(new Error("nobody seals here")),
      hold,
    });
  return { engine, obtainer, hostWith, warnings };
}

test("a crowd is held by two requests: who comes while one is under way gets the one behind it", async () => {
  const { obtainer, hostWith } = await setUp();
  const { backend } = await obtainer.obtain(wanted, { signal });

  const answers: ((answer: { held: true }) => void)[] = [];
  hostWith(() => new Promise((resolve) => answers.push(resolve)));
  const crowd = Array.from({ length: 100 }, () => obtainer.obtain(wanted, { signal }));
  const answerOne = async () => {
    await vi.waitFor(() => expect(answers).toHaveLength(1));
    answers.pop()?.({ held: true });
  };
  await answerOne();
  await answerOne();
  for (const obtained of await Promise.all(crowd)) {
    expect(obtained).toMatchObject({ spawned: false, backend: { metadata: { uid: backend.metadata.uid } } });
  }
  expect(answers).toEqual([]);

  // Nobody is told what was so before he came.
  const late = obtainer.obtain(wanted, { signal });
  await answerOne();
  expect(await late).toMatchObject({ spawned: false });
});

test("a crowd that finds a stale one asks for its end together, and has it though that fails", async () => {
  const { engine, obtainer, hostWith, warnings } = await setUp();
  await obtainer.obtain(wanted, { signal });
  hostWith(async () => ({ held: true }));
  const requestStop = vi.spyOn(engine.backends, "requestStop");
  requestStop.mockRejectedValue(new SpawnerError("unavailable", "The store is away."));
  const crowd = await Promise.all(Array.from({ length: 100 }, () => obtainer.obtain(another, { signal })));
  expect(crowd.every(({ stale, spawned }) => stale && !spawned)).toBe(true);
  expect(requestStop.mock.calls.length).toBeLessThan(10);
  expect(new Set(warnings)).toEqual(new Set(["a stale backend could not be asked to end when idle"]));

  requestStop.mockRestore();
  await obtainer.obtain(another, { signal });
  expect((await engine.backends.get(wanted.name))?.spec).toMatchObject({ stopWhenIdle: true });
});

test.each(["waits for the end of one that is stopping", "waits for the program of one that has ended"])(
  "a caller who leaves while he %s waits no longer, and those behind him go on",
  async (what) => {
    const { engine, obtainer } = await setUp();
    const { backend } = await obtainer.obtain(wanted, { signal });
    const { metadata } = backend;
    const end = () =>
      engine.backends.patchStatus(
        { name: metadata.name, uid: metadata.uid },
        endedPatch(backend, { reason: "Requested", message: "", at: new Date() }) ?? {},
      );
    const isStopping = what.includes("stopping");
    const observe = vi.spyOn(engine.workloads, "observe").mockResolvedValue({ kind: "ending" } as never);
    if (isStopping) await engine.backends.requestStop(metadata);
    else await end();

    const left = new AbortController();
    const leaving = obtainer.obtain(wanted, { signal: left.signal });
    if (!isStopping) await vi.waitFor(() => expect(observe).toHaveBeenCalled());
    const staying = obtainer.obtain(wanted, { signal });
    left.abort();
    await expect(leaving).rejects.toBe(left.signal.reason);
    observe.mockRestore();
    if (isStopping) await end();
    expect(await staying).toMatchObject({ spawned: true });
  },
);
