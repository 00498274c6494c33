import { expect, onTestFinished, test, vi } from "vitest";
import { deadlines } from "../core/deadlines.ts";
import { SpawnerError } from "../core/errors.ts";
import type { RelayHost, RelayHostState, RelayHostWatcher, SealAnswer, SealRequest } from "../core/relay-host.ts";
import type { Backend } from "../core/resource.ts";
import { endedPatch, reachedPatch, stateOf } from "../core/status.ts";
import type { BackendStore, Engine } from "../engine/index.ts";
import { openForRecords } from "../engine/process/fixtures/records-only.ts";
import { FakeClock } from "../lib/fake-clock.ts";
import { type Log, silentLog } from "../lib/log.ts";
import { Metrics } from "../lib/metrics.ts";
import { run } from "./index.ts";

/** A relay host that says what the test has it say. */
class ScriptedRelayHost implements RelayHost {
  readonly watchers = new Set<RelayHostWatcher>();
  readonly sealAnswers: SealAnswer[] = [];
  watches = 0;
  /** How often it was asked for a seal while a decision was to be made. */
  seals = 0;
  /** How often it was told to open again. */
  openings = 0;
  isOver = false;

  watch(watcher: RelayHostWatcher): () => void {
    this.watches += 1;
    this.watchers.add(watcher);
    return () => void this.watchers.delete(watcher);
  }

  async hold() {
    return { held: true as const };
  }

  async seal({ leaseMs, isFinal }: SealRequest): Promise<SealAnswer> {
    if (isFinal) {
      this.isOver = true;
      return { sealed: true };
    }
    if (leaseMs < deadlines.sealLeaseMs) {
      this.openings += 1;
      return { sealed: true };
    }
    this.seals += 1;
    return this.sealAnswers.shift() ?? { sealed: true };
  }

  say(state: Partial<RelayHostState>): void {
    const quiet = { ready: true, liveConnections: 0, idleMs: 0, msUntilIdle: undefined, sealed: false };
    for (const watcher of this.watchers) watcher.onState({ ...quiet, ...state });
  }

  lose(): void {
    for (const watcher of [...this.watchers]) watcher.onLost(new Error("lost"));
  }
}

async function startSweeper({
  gracePeriodSeconds = 10,
  firstClientSeconds = 0,
  silentConnectionSeconds = 0,
  nodeName,
  log = silentLog,
  isRunningRecorded = true,
}: {
  gracePeriodSeconds?: number;
  firstClientSeconds?: number;
  silentConnectionSeconds?: number;
  nodeName?: string;
  isRunningRecorded?: boolean;
  log?: Log;
} = {}) {
  const clock = new FakeClock();
  const store = await openForRecords(clock);
  const host = new ScriptedRelayHost();
  /** What the next writes to the store are answered with, in place of being made. */
  const failures: Error[] = [];
  /** How the next records are read, where not at once. */
  const readings: ((read: () => Promise<Backend | undefined>) => Promise<Backend | undefined>)[] = [];
  /** How the next writes are made, where not at once. */
  const detours: ((write: () => Promise<Backend>) => Promise<Backend>)[] = [];
  const backends: BackendStore = Object.create(store.backends, {
    create: { value: store.backends.create.bind(store.backends) },
    get: {
      value: (name: string) => {
        const read = () => store.backends.get(name);
        return (readings.shift() ?? ((direct) => direct()))(read);
      },
    },
    watch: { value: store.backends.watch.bind(store.backends) },
    patchStatus: {
      value: async (...args: Parameters<BackendStore["patchStatus"]>) => {
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        const write = () => store.backends.patchStatus(...args);
        return (detours.shift() ?? ((direct) => direct()))(write);
      },
    },
  });
  const engine: Engine = { backends, workloads: store.workloads, relayHost: () => host, close: () => store.close() };
  const metrics = new Metrics();
  const sweeper = run(nodeName === undefined ? {} : { nodeName }, { engine, clock, log, metrics });
  onTestFinished(() => sweeper.close());
  const made = await store.backends.create({
    name: "b",
    spec: { template: { containers: [{}] }, gracePeriodSeconds, firstClientSeconds, silentConnectionSeconds },
  });
  const now = clock.now();
  const address = { ip: "127.0.0.1", port: 1, nodeName: "here", workloadUID: "w" };
  const running = isRunningRecorded ? { Running: now } : {};
  const reached = reachedPatch(made, { Submitted: now, Constructed: now, Scheduled: now, ...running }, address);
  await store.backends.patchStatus(made.metadata, reached ?? {});
  const backend = async (): Promise<Backend> => (await store.backends.get("b")) ?? made;
  return {
    clock,
    host,
    failures,
    readings,
    detours,
    store: store.backends,
    sweeper,
    /** The value of a metric without labels. */
    metric: async (name: string) => Number(new RegExp(`^${name} (.*)$`, "m").exec(await metrics.text())?.[1]),
    backend,
    expectState: async (state: string) => {
      await vi.waitFor(async () => expect(stateOf(await backend())).toBe(state));
      await settle();
    },
  };
}

/** Lets everything happen that is not a matter of time. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
}

test("records that a program runs with that it listens, where that is not recorded yet", async () => {
  const { host, clock, backend, expectState } = await startSweeper({ isRunningRecorded: false });
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  clock.advance(700);
  host.say({ ready: true });
  await expectState("Ready");
  const { running, transitions } = (await backend()).status;
  const time = clock.now().toISOString();
  expect({ running, transitions }).toMatchObject({
    running: true,
    transitions: { Running: { time }, Ready: { time } },
  });
});

test.each([
  ["nobody ever came", { awaitsFirstClient: true }, "Nobody came within 20 s (firstClientSeconds)."],
  ["the last one left", {}, "Nobody was connected for 0 s (gracePeriodSeconds)."],
])("the message of an end as idle names the time that had to pass: %s", async (_, state, message) => {
  const { host, expectState, backend } = await startSweeper({ gracePeriodSeconds: 0, firstClientSeconds: 20 });
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  host.say({ msUntilIdle: 0, ...state });
  await expectState("Swept");
  expect((await backend()).status.message).toBe(message);
});

test("the message of an end as idle does not say that nobody was connected where silent connections may have been open", async () => {
  const { host, expectState, backend } = await startSweeper({ gracePeriodSeconds: 5, silentConnectionSeconds: 60 });
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  host.say({ msUntilIdle: 0 });
  await expectState("Swept");
  expect((await backend()).status.message).toBe(
    "Nobody was connected for 5 s (gracePeriodSeconds), silent connections apart (silentConnectionSeconds).",
  );
});

test("says Ready when the host does, and Swept when it was idle and took the seal", async () => {
  const { host, clock, expectState, backend } = await startSweeper();
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  host.say({ ready: false });
  await settle();
  await expectState("Running");
  host.say({ msUntilIdle: 10_000 });
  await expectState("Ready");
  clock.advance(9_999);
  await settle();
  expect(host.seals).toBe(0);
  clock.advance(1);
  await expectState("Swept");
  expect((await backend()).status.reason).toBe("Idle");
  await vi.waitFor(() => expect(host.watchers.size).toBe(0));
});

test("goes by the host: somebody who came, a hold or a refused seal put the end off", async () => {
  const { host, clock, expectState } = await startSweeper();
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  host.say({ msUntilIdle: 10_000 });
  await expectState("Ready");
  clock.advance(9_000);
  host.say({ liveConnections: 1 });
  clock.advance(60_000);
  await settle();
  expect(host.seals).toBe(0);
  host.sealAnswers.push({ sealed: false, msUntilIdle: 5_000 }, { sealed: false, msUntilIdle: undefined });
  host.say({ msUntilIdle: 0 });
  await vi.waitFor(() => expect(host.seals).toBe(1));
  await settle();
  clock.advance(5_000);
  await vi.waitFor(() => expect(host.seals).toBe(2));
  await settle();
  clock.advance(60_000);
  await settle();
  expect(host.seals).toBe(2); // somebody is there: the host will say when not
  host.say({ msUntilIdle: 0 });
  await expectState("Swept");
});

test("asks nothing of a host whose program is busy, also where the session is to end as soon as nobody is there", async () => {
  for (const isWanted of [true, false]) {
    const { host, clock, backend, store, expectState, metric } = await startSweeper();
    await vi.waitFor(() => expect(host.watchers.size).toBe(1));
    host.say({ busy: true });
    await expectState("Ready");
    expect(await metric("spawner_sweeper_busy_backends")).toBe(1);
    if (!isWanted) await store.requestStop((await backend()).metadata, { whenIdle: true });
    clock.advance(60_000);
    host.say({ busy: true });
    await settle();
    clock.advance(60_000);
    await settle();
    expect(host.seals).toBe(0);
    host.say({ msUntilIdle: 0 });
    await expectState("Swept");
    expect(await metric("spawner_sweeper_busy_backends")).toBe(0);
  }
});

test("takes a lost stream for no evidence at all, and watches again with growing waits", async () => {
  const { host, clock, expectState } = await startSweeper();
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  host.say({ msUntilIdle: 10_000 });
  await expectState("Ready");
  for (const waitMs of [100, 200, 400]) {
    const { watches } = host;
    host.lose();
    clock.advance(waitMs - 1);
    expect(host.watches).toBe(watches);
    clock.advance(1);
    expect(host.watches).toBe(watches + 1);
  }
  clock.advance(60_000);
  await settle();
  expect(host.seals).toBe(0);
  host.say({ msUntilIdle: 0 });
  await expectState("Swept");
});

test("tells one time of a host that cannot be heard for long, and again when it was heard in between", async () => {
  const warnings: string[] = [];
  const { host, clock } = await startSweeper({ log: { ...silentLog, warn: (_, message) => warnings.push(message) } });
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  const loseFor = (ms: number) => {
    for (let passedMs = 0; passedMs <= ms; passedMs += deadlines.streamRetryMostMs) {
      host.lose();
      clock.advance(deadlines.streamRetryMostMs);
    }
  };
  loseFor(deadlines.streamLossMs - deadlines.streamRetryMostMs);
  expect(warnings).toEqual([]);
  loseFor(3 * deadlines.streamLossMs);
  expect(warnings).toEqual(["relay host cannot be heard, and the backend not swept"]);
  host.say({ ready: false });
  loseFor(deadlines.streamLossMs);
  expect(warnings).toHaveLength(2);
});

test("tells one time of a store that is away, however often it is tried", async () => {
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (_: object, message: string) => void warnings.push(message) };
  const { host, clock, failures, backend } = await startSweeper({ log });
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  failures.push(storeIsAway(), storeIsAway(), storeIsAway());
  host.say({ msUntilIdle: 60_000 });
  await vi.waitFor(async () => {
    clock.advance(deadlines.streamRetryMostMs);
    expect(stateOf(await backend())).toBe("Ready");
  });
  expect(failures).toEqual([]);
  expect(warnings).toEqual(["sweep failed, will be tried again"]);
});

const storeIsAway = () => new SpawnerError("unavailable", "the store is away");

/** A sweeper whose host is idle, and whose backend is ready. */
async function startIdle() {
  const started = await startSweeper();
  await vi.waitFor(() => expect(started.host.watchers.size).toBe(1));
  started.host.say({ msUntilIdle: 60_000 });
  await started.expectState("Ready");
  const goIdle = async () => {
    started.clock.advance(60_000);
    await vi.waitFor(() => expect(started.host.seals).toBe(1));
    await settle();
  };
  return { ...started, goIdle };
}

test("a write that fails is tried again", async () => {
  const { host, clock, failures, expectState } = await startSweeper();
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  failures.push(storeIsAway());
  host.say({ msUntilIdle: 60_000 });
  await settle();
  await expectState("Running");
  clock.advance(deadlines.streamRetryFirstMs);
  await expectState("Ready");
});

test("where Swept could not be written, the host opens at once, and is sealed anew before it is written again", async () => {
  const { host, clock, failures, backend, expectState, goIdle } = await startIdle();
  failures.push(storeIsAway());
  await goIdle();
  await expectState("Ready");
  clock.advance(deadlines.streamRetryFirstMs);
  await vi.waitFor(() => expect(host.openings).toBe(1));
  await settle();
  expect((await backend()).status.conditions?.[0]).toMatchObject({
    status: "True",
    message: expect.stringContaining("not ended as idle at"),
  });
  expect(host.seals).toBe(1);
  clock.advance(2 * deadlines.streamRetryFirstMs);
  await expectState("Swept");
  expect(host.seals).toBe(2);
  expect(host.isOver).toBe(true);
});

test("while the store is away nothing is sealed again, so that the host serves when its lease ends", async () => {
  const { host, clock, failures, expectState, goIdle } = await startIdle();
  failures.push(...Array.from({ length: 1_000 }, storeIsAway));
  await goIdle();
  for (let second = 0; second < 60; second++) {
    host.say({ liveConnections: 1 }); // somebody waits, and is let in when the lease ends
    clock.advance(1_000);
    await settle();
  }
  expect(host.seals).toBe(1);
  expect(host.openings).toBe(0);
  const attempts = 1_000 - failures.length;
  expect(attempts).toBeLessThan(20); // by backoff, whatever is heard meanwhile
  failures.length = 0;
  clock.advance(deadlines.streamRetryMostMs);
  await settle();
  await expectState("Ready");
  expect(host.seals).toBe(1); // somebody is there
});

test("a store that does not answer is asked to end nobody, which it might do when it goes on, and no host is sealed", async () => {
  const { host, clock, readings, detours, expectState } = await startIdle();
  let writes = 0;
  detours.push((write) => {
    writes += 1;
    return write();
  });
  const paused = Promise.withResolvers<void>();
  let reads = 0;
  const unanswered = (read: () => Promise<Backend | undefined>) => {
    reads += 1;
    return paused.promise.then(read);
  };
  readings.push(...Array.from({ length: 1_000 }, () => unanswered));
  for (let second = 0; second < 120; second++) {
    clock.advance(1_000);
    await settle();
  }
  expect(reads).toBeGreaterThan(5);
  expect({ seals: host.seals, writes }).toEqual({ seals: 0, writes: 0 });
  host.say({ liveConnections: 1 }); // somebody came meanwhile, and was let in at once
  readings.length = 0;
  paused.resolve();
  clock.advance(60_000);
  await settle();
  await expectState("Ready");
  host.say({ msUntilIdle: 0 });
  await expectState("Swept");
  expect({ seals: host.seals, writes }).toEqual({ seals: 1, writes: 1 });
});

test("what is heard while it is asked whether the store answers counts", async () => {
  const { host, clock, readings, expectState } = await startIdle();
  const answered = Promise.withResolvers<void>();
  readings.push((read) => answered.promise.then(read));
  clock.advance(60_000);
  await settle();
  host.say({ liveConnections: 1 });
  answered.resolve();
  await settle();
  expect(host.seals).toBe(0);
  host.say({ msUntilIdle: 0 });
  await expectState("Swept");
});

test("a write that fails after it was made is read back, and is the end", async () => {
  const { host, clock, detours, expectState, goIdle } = await startIdle();
  detours.push(async (write) => {
    await write();
    throw storeIsAway();
  });
  await goIdle();
  await expectState("Swept");
  clock.advance(deadlines.streamRetryFirstMs);
  await settle();
  expect(host.openings).toBe(0);
});

test("a write that takes too long is given up within the lease, and ends nobody when it is made after all", async () => {
  const { host, clock, detours, store, backend, expectState, goIdle } = await startIdle();
  const late: (() => Promise<Backend>)[] = [];
  detours.push((write) => {
    late.push(write);
    return new Promise(() => {});
  });
  await goIdle();
  expect(late).toHaveLength(1);
  clock.advance(deadlines.sweptWriteMs);
  await settle();
  clock.advance(deadlines.streamRetryFirstMs);
  await vi.waitFor(() => expect(host.openings).toBe(1));
  host.say({ liveConnections: 1 }); // somebody who came while it was sealed
  await settle();
  await expect(late[0]?.()).rejects.toMatchObject({ code: "conflict" });
  clock.advance(60_000);
  await settle();
  await expectState("Ready");
  expect(host.seals).toBe(1);
  expect(await store.get("b")).toEqual(await backend());
});

test("a write that takes too long ends nobody later, also where the stream is lost meanwhile", async () => {
  const { host, clock, detours, expectState, goIdle } = await startIdle();
  const late: (() => Promise<Backend>)[] = [];
  detours.push((write) => {
    late.push(write);
    return new Promise(() => {});
  });
  await goIdle();
  clock.advance(deadlines.sweptWriteMs);
  await settle();
  host.lose(); // and says nothing when it is watched again
  clock.advance(deadlines.streamRetryFirstMs);
  await settle();
  await expect(late[0]?.()).rejects.toMatchObject({ code: "conflict" });
  await expectState("Ready");
});

test("a write that takes too long and is made before it is asked about is the end", async () => {
  const { host, clock, detours, expectState, goIdle } = await startIdle();
  detours.push(async (write) => {
    await write();
    return new Promise(() => {});
  });
  await goIdle();
  clock.advance(deadlines.sweptWriteMs + deadlines.streamRetryFirstMs);
  await expectState("Swept");
  expect(host.openings).toBe(0);
});

test("a write of Ready that never comes back is not waited for", async () => {
  const { host, clock, detours, expectState } = await startSweeper();
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  detours.push(() => new Promise(() => {}));
  host.say({ msUntilIdle: 60_000 });
  await settle();
  clock.advance(deadlines.statusWriteMs);
  await settle();
  clock.advance(deadlines.streamRetryFirstMs);
  await expectState("Ready");
});

test("somebody else's write in between is taken into account, also where it was the end", async () => {
  const { host, store, backend, expectState, failures } = await startSweeper();
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  failures.push(new SpawnerError("conflict", "another version"));
  host.say({ msUntilIdle: 60_000 });
  await expectState("Ready");
  const ended = endedPatch(await backend(), { reason: "Crashed", message: "", at: new Date() }) ?? {};
  await store.patchStatus({ name: "b", uid: (await backend()).metadata.uid }, ended);
  host.say({ msUntilIdle: 0 });
  await settle();
  await expectState("Failed");
  expect((await backend()).status.reason).toBe("Crashed");
  expect(host.watchers.size).toBe(0);
});

test("a host of 0.1.9, which says only seconds, is swept by the same rule, from when it was said to be ready at least", async () => {
  const { host, clock, expectState } = await startSweeper({ gracePeriodSeconds: 10 });
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  host.say({ idleMs: 3_600_000 }); // nobody was there to find it ready
  await expectState("Ready");
  clock.advance(9_999);
  await settle();
  expect(host.seals).toBe(0);
  host.say({ idleMs: 4_000 });
  await settle();
  clock.advance(5_999);
  await settle();
  expect(host.seals).toBe(0);
  clock.advance(1);
  await expectState("Swept");
});

test("says how late it swept: from the end of the grace period, also where that took more than one attempt", async () => {
  const { host, clock, failures, expectState, metric } = await startSweeper();
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  host.lose();
  clock.advance(deadlines.streamRetryFirstMs);
  host.say({ msUntilIdle: 10_000 });
  await expectState("Ready");
  host.sealAnswers.push({ sealed: false, msUntilIdle: 5_000 });
  clock.advance(10_700);
  await vi.waitFor(() => expect(host.seals).toBe(1));
  await settle();

  failures.push(new SpawnerError("unavailable", "the store is away"));
  clock.advance(5_000);
  await vi.waitFor(() => expect(host.seals).toBe(2));
  await settle();
  expect(await metric("spawner_sweep_lateness_seconds_count")).toBe(0);
  clock.advance(deadlines.streamRetryFirstMs);
  await settle();
  host.say({ msUntilIdle: 0 });
  clock.advance(2 * deadlines.streamRetryFirstMs);
  await expectState("Swept");
  expect(await metric("spawner_sweep_lateness_seconds_count")).toBe(1);
  expect(await metric("spawner_sweep_lateness_seconds_sum")).toBeCloseTo((3 * deadlines.streamRetryFirstMs) / 1000, 9);
  expect(await metric("spawner_sweep_errors_total")).toBe(1);
  expect(await metric("spawner_sweeper_streams_lost_total")).toBe(1);
  expect(await metric("spawner_sweeper_backends")).toBe(0);
});

test("the sweeper of another node leaves a backend alone", async () => {
  const { host } = await startSweeper({ nodeName: "there" });
  await settle();
  expect(host.watches).toBe(0);
});

test("closing ends every watch", async () => {
  const { host, sweeper } = await startSweeper();
  await vi.waitFor(() => expect(host.watchers.size).toBe(1));
  await sweeper.close();
  expect(host.watchers.size).toBe(0);
});

test("closing waits for an end that is being recorded", async () => {
  const { sweeper, detours, expectState, goIdle } = await startIdle();
  const write = Promise.withResolvers<void>();
  detours.push(async (make) => {
    await write.promise;
    return make();
  });
  await goIdle();
  let isClosed = false;
  const closed = sweeper.close().then(() => {
    isClosed = true;
  });
  await settle();
  expect(isClosed).toBe(false);
  write.resolve();
  await closed;
  await expectState("Swept");
});

test("closing leaves no write behind that would end a backend later", async () => {
  const { sweeper, clock, detours, expectState, goIdle } = await startIdle();
  const late: (() => Promise<Backend>)[] = [];
  detours.push((write) => {
    late.push(write);
    return new Promise(() => {});
  });
  await goIdle();
  const closed = sweeper.close();
  clock.advance(deadlines.sweptWriteMs);
  await closed;
  await expect(late[0]?.()).rejects.toMatchObject({ code: "conflict" });
  await expectState("Ready");
});
