import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { deadlines } from "../core/deadlines.ts";
import { SpawnerError } from "../core/errors.ts";
import type { RelayHost } from "../core/relay-host.ts";
import type { Backend, BackendSpec } from "../core/resource.ts";
import { hasEnded, reachedPatch, stateOf } from "../core/status.ts";
import { identityOf } from "../core/workload.ts";
import { ProcessEngine } from "../engine/process/index.ts";
import { FakeClock } from "../lib/fake-clock.ts";
import { processesWithEnv } from "../lib/linux-processes.ts";
import { type Log, silentLog } from "../lib/log.ts";
import { Metrics } from "../lib/metrics.ts";
import { type ControllerConfig, run } from "./controller.ts";

const commands = new Map([
  ["sleeps", { command: ["sleep", "60"], workingDir: "/" }],
  ["fails", { command: ["sh", "-c", "echo something is wrong; exit 7"], workingDir: "/" }],
  ["tells", { command: ["sh", "-c", "echo all is well; exec sleep 60"], workingDir: "/" }],
  ["tells much", { command: ["sh", "-c", "yes é | tr -d '\\n' | head -c 100001; exec sleep 60"], workingDir: "/" }],
  ["stubborn", { command: ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"], workingDir: "/" }],
]);

/** What relay hosts say: by default that no program listens. */
interface RelayHosts {
  watch: RelayHost["watch"];
}

function sayReady(ready: boolean): RelayHost["watch"] {
  return ({ onState }) => {
    onState({ ready, liveConnections: 0, idleMs: 0, msUntilIdle: undefined, sealed: false });
    return () => {};
  };
}

async function startEngine(clock: FakeClock, hosts: RelayHosts) {
  const stateDir = mkdtempSync(join(tmpdir(), "spawner-controller-"));
  const engine = await ProcessEngine.open({
    stateDir,
    backendsMax: 100,
    clock,
    openRelayHost: async () => ({
      port: 1,
      control: {
        watch: (watcher) => hosts.watch(watcher),
        hold: async () => ({ held: true }),
        seal: async () => ({ sealed: true }),
      },
      programListens() {},
      end() {},
      async close() {},
    }),
  });
  onTestFinished(async () => {
    for (const { name, uid } of await engine.workloads.list()) await engine.workloads.remove({ name, uid }, 0);
    clock.advance(1_000);
    await vi.waitFor(async () => expect(await engine.workloads.list()).toEqual([]));
    await engine.close();
    rmSync(stateDir, { recursive: true, force: true });
  });
  return engine;
}

async function startController(config: Partial<ControllerConfig> = {}) {
  const clock = new FakeClock(new Date());
  const hosts: RelayHosts = { watch: sayReady(false) };
  const engine = await startEngine(clock, hosts);
  const start = (metrics = new Metrics(), log: Log = silentLog) => {
    const controller = run(
      { retainSeconds: 3600, recordsMax: 100, concurrency: 4, ...config },
      { engine, clock, log, metrics },
    );
    onTestFinished(() => controller.close());
    return controller;
  };
  const create = (name: string, program: string, spec: Partial<BackendSpec> = {}) =>
    engine.backends.create({ name, spec: { template: { containers: [commands.get(program) ?? {}] }, ...spec } });
  const expectState = (name: string, state: string, reason?: string) =>
    vi.waitFor(async () => {
      const backend = await engine.backends.get(name);
      expect(backend && stateOf(backend)).toBe(state);
      expect(backend?.status.reason).toBe(reason);
    });
  return { clock, engine, hosts, start, create, expectState };
}

function generationOf({ metadata: { name, uid } }: Backend) {
  return { name, uid };
}

test("brings a backend to life, and records each state with its time in one write", async () => {
  const { engine, start, create, expectState } = await startController();
  start();
  const made = await create("a", "sleeps");
  await expectState("a", "Running");
  const backend = await engine.backends.get("a");
  expect(Object.keys(backend?.status.transitions ?? {}).sort()).toEqual([
    "Constructed",
    "Running",
    "Scheduled",
    "Submitted",
  ]);
  expect(Number(backend?.metadata.resourceVersion)).toBe(Number(made.metadata.resourceVersion) + 1);
  expect(processesWithEnv("SPAWNER_BACKEND", identityOf(made))).toHaveLength(1);
});

test("takes back nothing that was reached while it wrote what it had seen before", async () => {
  const { engine, start, create } = await startController();
  const { backends } = engine;
  const patchStatus = backends.patchStatus.bind(backends);
  const made = await create("a", "sleeps");
  backends.patchStatus = async (target, patch) => {
    backends.patchStatus = patchStatus;
    await patchStatus(generationOf(made), reachedPatch(made, { Ready: new Date() }) ?? {});
    return patchStatus(target, patch);
  };
  start();
  await vi.waitFor(async () => {
    const backend = await backends.get("a");
    expect(backend?.status.transitions).toHaveProperty("Running");
    expect(backend?.status).toMatchObject({ ready: true, running: true, phase: "Ready" });
  });
});

test("finishes what was asked for while no controller ran", async () => {
  const { start, create, expectState } = await startController();
  await create("a", "sleeps");
  start();
  await expectState("a", "Running");
});

test.each([
  ["sleeps", { stopRequested: true }, "Swept", "Requested"],
  ["fails", {}, "Failed", "Crashed"],
  ["has no command", {}, "Failed", "InvalidSpec"],
] as const)("ends %s %j as %s/%s, and leaves no workload", async (program, spec, state, reason) => {
  const { engine, start, create, expectState } = await startController();
  await create("a", program, spec);
  start();
  await expectState("a", state, reason);
  await vi.waitFor(async () => expect(await engine.workloads.list()).toEqual([]));
});

test("ends a backend at its lifetime and one that does not listen at its startup timeout", async () => {
  const { clock, start, create, expectState } = await startController();
  start();
  await create("lives", "sleeps", { lifetimeSeconds: 60 });
  await create("starts", "sleeps", { startupTimeoutSeconds: 30 });
  await expectState("lives", "Running");
  await expectState("starts", "Running");
  clock.advance(30_000);
  await expectState("starts", "Failed", "StartupTimeout");
  await expectState("lives", "Running");
  clock.advance(30_000);
  await expectState("lives", "Swept", "LifetimeExceeded");
});

describe("a program that had its time, with nobody there to record that it listens", () => {
  async function startLate(watch: RelayHost["watch"]) {
    const { clock, engine, hosts, start, create, expectState } = await startController();
    const warnings: unknown[] = [];
    const asked = { count: 0 };
    hosts.watch = (watcher) => {
      asked.count += 1;
      return watch(watcher);
    };
    start(undefined, { ...silentLog, warn: (fields) => warnings.push(fields) });
    await create("a", "sleeps", { startupTimeoutSeconds: 30 });
    await expectState("a", "Running");
    expect(asked.count).toBe(0);
    clock.advance(30_000);
    await vi.waitFor(() => expect(asked.count).toBe(1));
    const expectAskedAgain = () =>
      vi.waitFor(() => {
        clock.advance(deadlines.unrecordedReadyPollMs);
        expect(asked.count).toBe(2);
      });
    return { clock, engine, hosts, warnings, expectAskedAgain, expectState };
  }
  const lose: RelayHost["watch"] = ({ onLost }) => {
    onLost(new Error("connection refused"));
    return () => {};
  };

  test.each([
    ["listens", sayReady(true), 0],
    ["cannot be asked about, which is told once", lose, 1],
  ] as const)("goes on where it %s, and is asked about again", async (_, watch, warned) => {
    const { clock, engine, hosts, warnings, expectAskedAgain, expectState } = await startLate(watch);
    await expectAskedAgain();
    await expectState("a", "Running");
    expect(warnings).toHaveLength(warned);
    hosts.watch = sayReady(false);
    await vi.waitFor(async () => {
      clock.advance(deadlines.unrecordedReadyPollMs);
      expect((await engine.backends.get("a"))?.status.reason).toBe("StartupTimeout");
    });
  });
});

test("runs what was asked for long before, while no controller was there", async () => {
  const { clock, start, create, expectState } = await startController();
  await create("a", "sleeps", { startupTimeoutSeconds: 30 });
  clock.advance(3_600_000);
  start();
  await expectState("a", "Running");
  clock.advance(30_000);
  await expectState("a", "Failed", "StartupTimeout");
});

test("gives a program less time to end when that is asked for, also after its backend has ended", async () => {
  const { clock, engine, start, create, expectState } = await startController();
  start();
  const target = generationOf(await create("a", "stubborn", { terminationGracePeriodSeconds: 300 }));
  const stopping = () =>
    vi.waitFor(async () => expect(await engine.workloads.observe(target)).toEqual({ kind: "stopping" }));
  await expectState("a", "Running");
  await engine.backends.requestStop(target, { graceSeconds: 200 });
  await expectState("a", "Swept", "Requested");
  await stopping();
  clock.advance(10_000);
  await stopping();
  await engine.backends.requestStop(target, { graceSeconds: 1 });
  await vi.waitFor(async () => {
    clock.advance(500);
    expect(await engine.workloads.list()).toEqual([]);
  });
  expect(clock.monotonicMs()).toBeLessThan(100_000); // of 200 s, which it would have had
});

describe("the last lines that the program wrote are in the message", () => {
  async function startWith(program: string, spec: Partial<BackendSpec> = {}) {
    const controlled = await startController();
    const { engine, create, expectState } = controlled;
    const target = generationOf(await create("a", program, spec));
    controlled.start();
    await expectState("a", "Running");
    await vi.waitFor(async () => expect((await text(engine.workloads.logs(target))).length).toBeGreaterThan(0));
    const messageOf = async () => (await engine.backends.get("a"))?.status.message ?? "";
    return { ...controlled, target, messageOf };
  }

  test("of a workload that somebody has removed", async () => {
    const { engine, expectState, target, messageOf } = await startWith("tells");
    await engine.workloads.remove(target, 30);
    await expectState("a", "Failed", "WorkloadLost");
    expect(await messageOf()).toBe(
      "The workload of the backend was removed by somebody else. Its last output:\nall is well",
    );
  });

  test("of a start that took too long", async () => {
    const { clock, expectState, messageOf } = await startWith("tells", { startupTimeoutSeconds: 1 });
    clock.advance(1_000);
    await expectState("a", "Failed", "StartupTimeout");
    expect(await messageOf()).toMatch(/within 1 s \(startupTimeoutSeconds\)\. Its last output:\nall is well$/);
  });

  test("up to 2 kB of them, and whole characters", async () => {
    const { engine, expectState, target, messageOf } = await startWith("tells much");
    await vi.waitFor(async () => expect((await text(engine.workloads.logs(target))).length).toBe(50_001));
    await engine.workloads.remove(target, 30);
    await expectState("a", "Failed", "WorkloadLost");
    const [, output = ""] = (await messageOf()).split("Its last output:\n");
    expect(output).toMatch(/^é+\ufffd$/); // what the program itself has cut stays as it is
    expect(Buffer.byteLength(output.replace("\ufffd", ""))).toBeGreaterThan(2_040);
  });

  test("and nothing keeps it from being ended where they cannot be read", async () => {
    const { engine, expectState, target, messageOf } = await startWith("tells");
    engine.workloads.logs = () => {
      throw new Error("out of reach");
    };
    await engine.workloads.remove(target, 30);
    await expectState("a", "Failed", "WorkloadLost");
    expect(await messageOf()).toBe("The workload of the backend was removed by somebody else.");
  });
});

test("looks again at a record that somebody else wrote when it was to be forgotten, and calls that no error", async () => {
  const { clock, engine, start, create, expectState } = await startController({ retainSeconds: 60 });
  const forget = engine.backends.delete.bind(engine.backends);
  const refusals = [new SpawnerError("conflict", "another version"), new SpawnerError("conflict", "another version")];
  engine.backends.delete = async (target) => {
    const refusal = refusals.pop();
    if (refusal !== undefined) throw refusal;
    await forget(target);
  };
  const metrics = new Metrics();
  start(metrics);
  await create("a", "fails");
  await expectState("a", "Failed", "Crashed");
  await vi.waitFor(async () => {
    clock.advance(60_000);
    expect(await engine.backends.get("a")).toBeUndefined();
  });
  expect(refusals).toEqual([]);
  expect(await metrics.text()).toMatch(/^spawner_controller_reconcile_errors_total 0$/m);
});

test("removes the workload of a record that is deleted, or was while nobody watched", async () => {
  const { engine, start, create, expectState } = await startController();
  const controller = start();
  const [watched, unwatched] = [await create("watched", "sleeps"), await create("unwatched", "sleeps")];
  await expectState("watched", "Running");
  await expectState("unwatched", "Running");
  await engine.backends.delete(generationOf(watched));
  await vi.waitFor(() => expect(processesWithEnv("SPAWNER_BACKEND", identityOf(watched))).toEqual([]));
  await controller.close();
  await engine.backends.delete(generationOf(unwatched));
  start();
  await vi.waitFor(async () => expect(await engine.workloads.list()).toEqual([]));
});

test("a new backend of the same name is another generation: the old one's end does not touch it", async () => {
  const { engine, start, create, expectState } = await startController();
  start();
  const first = await create("a", "stubborn", { terminationGracePeriodSeconds: 1 });
  await expectState("a", "Running");
  await engine.backends.delete(generationOf(first));
  const second = await create("a", "sleeps");
  await expectState("a", "Running");
  expect(processesWithEnv("SPAWNER_BACKEND", identityOf(second))).toHaveLength(1);
});

test("forgets records after their time, and the oldest before it where there are too many", async () => {
  const { clock, engine, start, create } = await startController({ retainSeconds: 100, recordsMax: 2 });
  start();
  for (const name of ["a", "b", "c"]) {
    await create(name, "sleeps", { stopRequested: true });
    await vi.waitFor(async () => {
      const backend = await engine.backends.get(name);
      expect(backend && hasEnded(backend)).toBe(true);
    });
    clock.advance(1_000);
  }
  const names = async () => (await engine.backends.list()).items.map(({ metadata }) => metadata.name);
  await vi.waitFor(async () => expect(await names()).toEqual(["b", "c"]));
  clock.advance(98_000);
  await vi.waitFor(async () => expect(await names()).toEqual(["c"]));
  clock.advance(1_000);
  await vi.waitFor(async () => expect(await names()).toEqual([]));
});

test("drains: every backend ends, as Drained, and within the grace that is left", async () => {
  const { clock, engine, start, create, expectState } = await startController();
  const controller = start();
  await create("a", "sleeps");
  await create("b", "stubborn", { terminationGracePeriodSeconds: 300 });
  await expectState("a", "Running");
  await expectState("b", "Running");
  let isDrained = false;
  const drained = controller.drain({ graceSecondsMax: 5 }).then(() => {
    isDrained = true;
  });
  await expectState("a", "Swept", "Drained");
  await expectState("b", "Swept", "Drained");
  await vi.waitFor(async () => expect(await engine.workloads.list()).toHaveLength(1));
  expect(isDrained).toBe(false);
  clock.advance(5_000);
  await drained;
  expect(await engine.workloads.list()).toEqual([]);
});

test("counts what it looked at and what failed, and how much is waiting", async () => {
  const { clock, engine, start, create, expectState } = await startController({ concurrency: 1 });
  const metrics = new Metrics();
  const metric = async (name: string) =>
    Number(new RegExp(`^spawner_controller_${name} (.*)$`, "m").exec(await metrics.text())?.[1]);
  const { ensure } = engine.workloads;
  const asked = Promise.withResolvers<void>();
  engine.workloads.ensure = () => asked.promise.then(() => Promise.reject(new Error("no room")));
  start(metrics);
  for (const name of ["a", "b", "c"]) await create(name, "sleeps");
  await vi.waitFor(async () => expect(await metric("queue_depth")).toBe(2));
  expect(await metric("reconcile_duration_seconds_count")).toBe(0);
  clock.advance(1_500);
  asked.resolve();
  await vi.waitFor(async () => expect(await metric("reconcile_errors_total")).toBe(3));
  expect(await metric("queue_depth")).toBe(0);
  expect(await metric("reconcile_duration_seconds_count")).toBe(3);
  expect(await metric("reconcile_duration_seconds_sum")).toBe(1.5);
  engine.workloads.ensure = ensure.bind(engine.workloads);
  clock.advance(1_000);
  for (const name of ["a", "b", "c"]) await expectState(name, "Running");
  expect(await metric("reconcile_errors_total")).toBe(3);
});

test("logs the states that it writes, and a trouble once, in one line where somebody is away", async () => {
  const { clock, engine, start, create, expectState } = await startController();
  const lines: object[] = [];
  const note = (level: string) => (fields: object, msg: string) => void lines.push({ level, msg, ...fields });
  const { observe } = engine.workloads;
  engine.workloads.observe = () => Promise.reject(new SpawnerError("unavailable", "It is away."));
  start(new Metrics(), { ...silentLog, debug: note("debug"), info: note("info"), warn: note("warn") });
  const made = await create("a", "sleeps");
  const failed = { backend: "a", uid: made.metadata.uid, problem: "It is away." };
  const msg = "reconcile failed, will be tried again";
  await vi.waitFor(() => expect(lines).toEqual([{ level: "warn", msg, ...failed }]));
  clock.advance(deadlines.reconcileRetryMostMs);
  await vi.waitFor(() => expect(lines.at(-1)).toEqual({ level: "debug", msg, ...failed }));

  let port = 1;
  engine.workloads.observe = async (identity) => {
    const observation = await observe.call(engine.workloads, identity);
    if (observation.kind !== "running" || observation.address === undefined) return observation;
    return { ...observation, address: { ...observation.address, port } };
  };
  clock.advance(deadlines.reconcileRetryMostMs);
  await expectState("a", "Running");
  port = 2;
  const running = await engine.backends.get("a");
  if (running === undefined) throw new Error("the backend has gone");
  const ready = reachedPatch(running, { Ready: clock.now() });
  if (ready === undefined) throw new Error("it is ready already");
  await engine.backends.patchStatus(running.metadata, ready);
  const changed = { msg: "backend changed", backend: "a" };
  await vi.waitFor(() => expect(lines.at(-1)).toEqual({ level: "debug", ...changed, state: "Ready" }));
  expect(lines.filter((line) => "level" in line && line.level === "info")).toEqual([
    { level: "info", ...changed, state: "Running" },
  ]);
});
