import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { WorkloadObservation } from "../core/decide.ts";
import type { SpawnerError } from "../core/errors.ts";
import { parseLabelSelector } from "../core/label-selector.ts";
import type { Backend, BackendSpec } from "../core/resource.ts";
import { statusHistory } from "../core/status.ts";
import { identityOf } from "../core/workload.ts";
import type { BackendChange, BackendStore, Engine, WorkloadIdentity } from "./engine.ts";

/** What a program does that a harness has to provide. */
type Behaviour =
  /** Listens on PORT, and writes the line `listening` then. */
  | "serves"
  /** Ends at once, with code 0. */
  | "exits-0"
  /** Writes `last words` and ends with code 3. */
  | "exits-3"
  /** Goes on and never listens. */
  | "silent"
  /**
   * Writes `NAME=value` of SPAWNER_BACKEND, PORT and GREETING in its environment, each on a line, then the lines `one`,
   * `two` and `three`, then serves.
   */
  | "prints"
  /** Serves; writes `asked to end` on SIGTERM and ends with code 0. */
  | "polite"
  /** Serves; writes `asked to end` on SIGTERM and goes on. */
  | "stubborn"
  /** There is no such program. */
  | "not-found";

/** An engine over a state of its own, made anew for every test. */
export interface EngineHarness {
  open(): Promise<Engine>;
  /** Closes the engine and opens another over the same state. */
  reopen(): Promise<Engine>;
  /** A spec that runs such a program, with these variables in its environment. */
  spec(behaviour: Behaviour, env?: Record<string, string>): BackendSpec;
  /** Ends all programs, closes the engine. */
  dispose(): Promise<void>;
  /** What there still is after that (processes, Pods, timers, servers), in words. */
  remains(): Promise<readonly string[]>;
}

export interface EngineContractOptions {
  /** How long anything may take to come about. Default 20 s. */
  readonly deadlineMs?: number;
  /**
   * What this engine cannot do, and why: those tests are skipped. What cannot `hurry` takes a shorter grace and does not act on
   * it once the program was asked to end: it goes when the first grace is over.
   */
  readonly lacks?: Partial<Record<"not-found" | "logs" | "hurry", string>>;
}

/** What every engine has to do: the one suite that each is handed to. */
export function describeEngineContract(
  name: string,
  makeHarness: () => Promise<EngineHarness>,
  { deadlineMs = 20_000, lacks = {} }: EngineContractOptions = {},
): void {
  describe(`the engine ${name}`, { timeout: 3 * deadlineMs }, () => {
    let harness: EngineHarness;
    let engine: Engine;
    let store: BackendStore;
    const use = (opened: Engine) => {
      engine = opened;
      store = opened.backends;
    };

    beforeEach(async () => {
      harness = await makeHarness();
      use(await harness.open());
    });

    afterEach(async () => {
      await harness.dispose();
      expect(await harness.remains()).toEqual([]);
    });

    /** Much longer than a test, where it can be shortened. */
    const longGraceSeconds = lacks.hurry === undefined ? 3_600 : 10;

    const eventually = <Result>(assertion: () => Result | Promise<Result>): Promise<Result> =>
      vi.waitFor(assertion, { timeout: deadlineMs, interval: 10 });

    const create = (name: string, labels: Record<string, string> = {}) =>
      store.create({ name, labels, spec: harness.spec("silent") });

    const names = (items: readonly Backend[]) => items.map(({ metadata }) => metadata.name);

    describe("keeps backends", () => {
      test("a created backend is there, with an identity, an age and no status", async () => {
        const before = Date.now();
        const spec = harness.spec("silent");
        const created = await store.create({ name: "b", labels: { team: "red" }, spec });
        expect(created).toMatchObject({ metadata: { name: "b", labels: { team: "red" } }, spec, status: {} });
        expect(created.metadata.uid).not.toBe("");
        expect(created.metadata.resourceVersion).not.toBe("");
        // Kubernetes stores whole seconds.
        expect(Date.parse(created.metadata.creationTimestamp)).toBeGreaterThan(before - 2_000);
        expect(await store.get("b")).toEqual(created);
        expect(await store.get("other")).toBeUndefined();
      });

      test("a second backend of the same name is refused and changes nothing", async () => {
        const first = await create("b");
        await expect(create("b")).rejects.toMatchObject({ code: "already_exists" });
        expect(await store.get("b")).toEqual(first);
      });

      test("of several creations of one name at once, one succeeds", async () => {
        const outcomes = await Promise.allSettled([create("b"), create("b"), create("b")]);
        expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
      });

      test("they are listed in the order of their names", async () => {
        for (const name of ["c", "a", "b-1", "b"]) await create(name);
        expect(await store.list()).toEqual({
          items: await Promise.all(["a", "b", "b-1", "c"].map((n) => store.get(n))),
        });
      });

      test.each([
        ["team=red", ["a", "b"]],
        ["team==red,stage=test", ["a"]],
        ["team=green", []],
        ["team!=red", ["c", "d"]],
        ["team in (red, blue)", ["a", "b", "c"]],
        ["team notin (red,blue)", ["d"]],
        ["stage", ["a", "c"]],
        ["!stage", ["b", "d"]],
        ["stage=,team", ["c"]],
        ["stage in (test,)", ["a", "c"]],
        ["team=red,team=blue", []],
        ["example.com/constructor", ["d"]],
        ["constructor", []],
      ])("a list can be limited to those whose labels are as Kubernetes understands %s", async (selector, expected) => {
        await create("a", { team: "red", stage: "test" });
        await create("b", { team: "red" });
        await create("c", { team: "blue", stage: "" });
        await create("d", { "example.com/constructor": "1" });
        const { items } = await store.list({ selector: parseLabelSelector(selector) });
        expect(names(items)).toEqual(expected);
      });

      test("pages of a selection have as many as they may, and no others", async () => {
        for (const name of ["a", "b", "c", "d", "e"]) await create(name, name === "c" ? {} : { team: "red" });
        const selector = parseLabelSelector("team");
        const first = await store.list({ selector, limit: 3 });
        expect(names(first.items)).toEqual(["a", "b", "d"]);
        const last = await store.list({ selector, limit: 3, continue: first.continue ?? "" });
        expect([names(last.items), last.continue]).toEqual([["e"], undefined]);
      });

      test("pages follow each other without a gap, and the last says that it is", async () => {
        for (const name of ["a", "b", "c", "d", "e"]) await create(name);
        const pages: string[][] = [];
        let token: string | undefined;
        do {
          const page = await store.list({ limit: 2, ...(token === undefined ? {} : { continue: token }) });
          pages.push(names(page.items));
          token = page.continue;
        } while (token !== undefined);
        expect(pages).toEqual([["a", "b"], ["c", "d"], ["e"]]);
        expect(await store.list({ limit: 5 })).not.toHaveProperty("continue");
      });

      test("a page is asked for by what the one before has given, and by nothing else", async () => {
        await create("a");
        await expect(store.list({ limit: 1, continue: "zz" })).rejects.toMatchObject({ code: "invalid_request" });
      });

      test("a page follows though the backend that the last one ended with is gone", async () => {
        const [, b] = await Promise.all(["a", "b", "c", "d"].map((name) => create(name)));
        const first = await store.list({ limit: 2 });
        await store.delete((b as Backend).metadata);
        expect(first.continue).toBeDefined();
        expect(names((await store.list({ limit: 2, continue: first.continue ?? "" })).items)).toEqual(["c", "d"]);
      });

      test("every write gives another version; the generation stays", async () => {
        const created = await create("b");
        const running = await store.patchStatus(created.metadata, { running: true });
        const ready = await store.patchStatus(created.metadata, { ready: true }).catch((error: SpawnerError) => error);
        // The precondition of the second names the version that the first one replaced.
        expect(ready).toMatchObject({ code: "conflict" });
        const stopped = await store.requestStop({ name: "b", uid: created.metadata.uid });
        const versions = [created, running, stopped].map(({ metadata }) => metadata.resourceVersion);
        expect(new Set(versions).size).toBe(3);
        expect(new Set([created, running, stopped].map(({ metadata }) => metadata.uid)).size).toBe(1);
        expect(await store.get("b")).toEqual(stopped);
      });

      test("a name that is used again has another generation", async () => {
        const first = await create("b");
        await store.delete(first.metadata);
        const second = await create("b");
        expect(second.metadata.uid).not.toBe(first.metadata.uid);
        expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
        await expect(store.delete(first.metadata)).rejects.toMatchObject({ code: "not_found" });
        expect(await store.get("b")).toEqual(second);
      });

      test("a status patch merges transitions and replaces everything else that it names", async () => {
        const { metadata } = await create("b");
        const target = { name: metadata.name, uid: metadata.uid };
        const condition = { type: "Ready", reason: "R", message: "m", lastTransitionTime: "2026-01-01T00:00:00.000Z" };
        await store.patchStatus(target, {
          submitted: true,
          transitions: { Submitted: { time: "2026-01-01T00:00:00.000Z" } },
          conditions: [{ ...condition, status: "False" }],
        });
        const { status } = await store.patchStatus(target, {
          phase: "Running",
          running: true,
          transitions: { Running: { time: "2026-01-01T00:00:01.000Z" } },
          conditions: [{ ...condition, status: "True" }],
        });
        expect(status).toEqual({
          phase: "Running",
          submitted: true,
          running: true,
          transitions: {
            Submitted: { time: "2026-01-01T00:00:00.000Z" },
            Running: { time: "2026-01-01T00:00:01.000Z" },
          },
          conditions: [{ ...condition, status: "True" }],
        });
      });

      test("patches of one backend at the same time lose nothing of each other", async () => {
        const { metadata } = await create("b");
        const states = ["Constructed", "Scheduled", "Running", "Ready"];
        await Promise.all(
          states.map((state) =>
            store.patchStatus(
              { name: "b", uid: metadata.uid },
              { transitions: { [state]: { time: metadata.creationTimestamp } } },
            ),
          ),
        );
        expect(Object.keys((await store.get("b"))?.status.transitions ?? {}).sort()).toEqual([...states].sort());
      });

      const unmet = [
        ["another generation", { uid: "00000000-0000-0000-0000-000000000000" }, "not_found"],
        ["another name", { name: "other" }, "not_found"],
        ["a version that is past", {}, "conflict"],
      ] as const;
      const writes = {
        patchStatus: (target: Backend["metadata"]) => store.patchStatus(target, { ready: true }),
        requestStop: (target: Backend["metadata"]) => store.requestStop(target),
        delete: (target: Backend["metadata"]) => store.delete(target),
      };
      for (const [operation, write] of Object.entries(writes)) {
        test.each(unmet)(`${operation} of %s is refused, and nothing is written`, async (_, change, code) => {
          const created = await create("b");
          const now = await store.patchStatus({ name: "b", uid: created.metadata.uid }, { running: true });
          const version = code === "conflict" ? created : now;
          await expect(write({ ...version.metadata, ...change })).rejects.toMatchObject({
            name: "SpawnerError",
            code,
            message: expect.stringContaining(change === unmet[1][1] ? "other" : "b"),
          });
          expect(await store.get("b")).toEqual(now);
        });
      }

      test("asking to stop twice is asking once", async () => {
        const { metadata } = await create("b");
        const target = { name: "b", uid: metadata.uid };
        const first = await store.requestStop(target);
        expect(first.spec.stopRequested).toBe(true);
        expect(await store.requestStop(target)).toEqual(first);
      });

      test("that it is stopping, and since when, is there with the request to stop, also when it is opened again", async () => {
        const { metadata } = await create("b");
        const before = Date.now();
        const { spec } = await store.requestStop({ name: "b", uid: metadata.uid });
        const since = Date.parse(spec.stopRequestedAt ?? "");
        expect(since).toBeGreaterThanOrEqual(before);
        expect(since).toBeLessThanOrEqual(Date.now());
        use(await harness.reopen());
        const reopened = (await store.get("b")) ?? expect.unreachable();
        expect(statusHistory(reopened)).toEqual([
          { state: "Submitted", time: metadata.creationTimestamp },
          { state: "Stopping", time: spec.stopRequestedAt },
        ]);
      });

      test("what is to end when nobody is there, or has ended before it is asked to, is not stopping", async () => {
        const [{ metadata }, { metadata: over }] = [await create("b"), await create("over")];
        const { spec } = await store.requestStop({ name: "b", uid: metadata.uid }, { whenIdle: true });
        expect(spec).toMatchObject({ stopWhenIdle: true });
        expect(spec).not.toHaveProperty("stopRequestedAt");
        const target = { name: "over", uid: over.uid };
        await store.patchStatus(target, { swept: true, reason: "Idle" });
        const hurried = await store.requestStop(target, { graceSeconds: 0 });
        expect(statusHistory(hurried).map(({ state }) => state)).toEqual(["Submitted", "Swept"]);
      });

      test("asking to stop can shorten the grace in the same write, also later, and never lengthens it", async () => {
        const { metadata } = await create("b");
        const target = { name: "b", uid: metadata.uid };
        const shortened = await store.requestStop(target, { graceSeconds: 5 });
        expect(shortened.spec).toMatchObject({ stopRequested: true, terminationGracePeriodSeconds: 5 });
        expect(await store.requestStop(target, { graceSeconds: 6 })).toEqual(shortened);
        await store.patchStatus(target, { swept: true, reason: "Requested" });
        const hurried = await store.requestStop(target, { graceSeconds: 0 });
        expect(hurried.spec).toMatchObject({ stopRequested: true, terminationGracePeriodSeconds: 0 });
        expect(await store.requestStop(target)).toEqual(hurried);
      });

      test("a grace that is longer than the spec's changes nothing but that the end is asked for", async () => {
        const { metadata, spec } = await create("b");
        const asked = await store.requestStop({ name: "b", uid: metadata.uid }, { graceSeconds: 31 });
        expect(asked.spec).toEqual({ ...spec, stopRequested: true, stopRequestedAt: expect.any(String) });
      });

      test("a deleted backend is gone, and deleting it again says so", async () => {
        const { metadata } = await create("b");
        await store.delete(metadata);
        expect(await store.get("b")).toBeUndefined();
        expect((await store.list()).items).toEqual([]);
        await expect(store.delete(metadata)).rejects.toMatchObject({ code: "not_found" });
      });

      test("what was given out or taken is never changed afterwards, by either side", async () => {
        const spec = harness.spec("silent");
        const labels = { team: "red" };
        const created = await store.create({ name: "b", labels, spec });
        const asCreated = structuredClone(created);
        const { changes } = record(store);
        // What is written until then may be heard as a whole.
        await eventually(() => expect(changes.at(-1)).toEqual({ kind: "synced" }));

        spec.gracePeriodSeconds = 1;
        labels.team = "blue";
        const transitions = { Submitted: { time: created.metadata.creationTimestamp } };
        const target = { name: "b", uid: created.metadata.uid };
        const patched = await store.patchStatus(target, { transitions });
        const asPatched = structuredClone(patched);
        transitions.Submitted.time = "2000-01-01T00:00:00.000Z";
        await store.patchStatus(target, { transitions: { Running: { time: created.metadata.creationTimestamp } } });
        await store.requestStop(target);

        expect(created).toEqual(asCreated);
        expect(patched).toEqual(asPatched);
        expect((await store.get("b"))?.metadata.labels).toEqual({ team: "red" });
        expect((await store.get("b"))?.spec).toMatchObject({ ...harness.spec("silent"), stopRequested: true });
        await eventually(() => expect(versionsOf(changes, "b")).toHaveLength(4));
        expect(new Set(versionsOf(changes, "b")).size).toBe(4);
      });

      test("what was created is there when the engine is opened again, in the same version", async () => {
        const created = await create("b");
        const patched = await store.patchStatus(created.metadata, { running: true });
        use(await harness.reopen());
        expect(await store.get("b")).toEqual(patched);
        const next = await store.patchStatus(patched.metadata, { ready: true });
        expect([created, patched].map(({ metadata }) => metadata.resourceVersion)).not.toContain(
          next.metadata.resourceVersion,
        );
      });
    });

    describe("tells of changes to backends", () => {
      test("first what there is, then that this is all, then every change in order", async () => {
        const a = await create("a");
        const b = await create("b");
        const { changes } = record(store);
        await eventually(() => expect(changes.at(-1)).toEqual({ kind: "synced" }));
        expect(changes).toHaveLength(3);
        expect(changes.slice(0, 2)).toEqual(
          expect.arrayContaining([
            { kind: "changed", backend: a },
            { kind: "changed", backend: b },
          ]),
        );

        const a2 = await store.patchStatus(a.metadata, { running: true });
        const a3 = await store.patchStatus(a2.metadata, { ready: true });
        await store.delete(b.metadata);
        const c = await create("c");
        await eventually(() => expect(changes).toHaveLength(7));
        const later = changes.slice(3);
        expect(later.filter((change) => isAbout(change, "a"))).toEqual([
          { kind: "changed", backend: a2 },
          { kind: "changed", backend: a3 },
        ]);
        expect(later.filter((change) => isAbout(change, "b"))).toEqual([
          { kind: "deleted", backend: expect.objectContaining({ spec: b.spec, status: b.status }) },
        ]);
        expect(later.filter((change) => isAbout(change, "c"))).toEqual([{ kind: "changed", backend: c }]);
      });

      test("an empty store is said to be all at once", async () => {
        const { changes } = record(store);
        await eventually(() => expect(changes).toEqual([{ kind: "synced" }]));
      });

      test("a name that is used again is told as an end and a beginning, in that order", async () => {
        const first = await create("b");
        const { changes } = record(store);
        await eventually(() => expect(changes).toHaveLength(2));
        await store.delete(first.metadata);
        const second = await create("b");
        await eventually(() => expect(changes).toHaveLength(4));
        expect(changes.slice(2)).toMatchObject([
          { kind: "deleted", backend: { metadata: { uid: first.metadata.uid } } },
          { kind: "changed", backend: { metadata: { uid: second.metadata.uid } } },
        ]);
      });

      test("never before the call that began the watch, or made the change, has returned", async () => {
        const created = await create("b");
        const { changes } = record(store);
        expect(changes).toEqual([]);
        await eventually(() => expect(changes).toHaveLength(2));
        const writing = store.patchStatus(created.metadata, { running: true });
        expect(changes).toHaveLength(2);
        await writing;
        await eventually(() => expect(changes).toHaveLength(3));
      });

      test("nobody who has unsubscribed, not even of what was under way", async () => {
        const created = await create("b");
        const early = record(store);
        early.stop();
        const late = record(store);
        const witness = record(store);
        await eventually(() => expect(witness.changes).toHaveLength(2));
        await eventually(() => expect(late.changes).toHaveLength(2));
        const writing = store.patchStatus(created.metadata, { running: true });
        late.stop();
        late.stop(); // idempotent
        await writing;
        await eventually(() => expect(witness.changes).toHaveLength(3));
        expect(early.changes).toEqual([]);
        expect(late.changes).toHaveLength(2);
      });

      test("a watch that ends itself while it is told hears nothing more", async () => {
        for (const name of ["a", "b", "c"]) await create(name);
        const heard: BackendChange[] = [];
        const stop = store.watch((change) => {
          heard.push(change);
          stop();
        });
        const witness = record(store);
        await eventually(() => expect(witness.changes).toHaveLength(4));
        expect(heard).toHaveLength(1);
      });

      test("a watch begun in the midst of writes misses nothing and repeats no version", async () => {
        const written = new Map<string, string[]>();
        const life = async (name: string) => {
          let backend = await create(name);
          const versions = [backend.metadata.resourceVersion];
          written.set(name, versions);
          for (let i = 0; i < 10; i++) {
            backend = await store.patchStatus(backend.metadata, { message: `${i}` });
            versions.push(backend.metadata.resourceVersion);
          }
        };
        const lives = Array.from({ length: 8 }, (_, index) => life(`b-${index}`));
        const watches = [record(store)];
        for (let i = 0; i < 5; i++) {
          await store.get("b-0");
          watches.push(record(store));
        }
        await Promise.all(lives);
        for (const { changes } of watches) {
          for (const [name, versions] of written) {
            // Once the last is heard, what was heard is an unbroken end of what was written.
            await eventually(() => expect(versionsOf(changes, name).at(-1)).toBe(versions.at(-1)));
            const heard = versionsOf(changes, name);
            expect(heard).toEqual(versions.slice(-heard.length));
          }
        }
      });
    });

    describe("runs workloads", () => {
      const start = async (behaviour: Behaviour, env?: Record<string, string>): Promise<Backend> => {
        const backend = await store.create({ name: behaviour, spec: harness.spec(behaviour, env) });
        await engine.workloads.ensure(backend);
        return backend;
      };

      const until = <Kind extends WorkloadObservation["kind"]>(backend: Backend, kind: Kind) =>
        eventually(async () => {
          const observation = await engine.workloads.observe(backend.metadata);
          expect(observation).toMatchObject({ kind });
          return observation as Extract<WorkloadObservation, { kind: Kind }>;
        });

      const remove = (backend: Backend, graceSeconds: number) =>
        engine.workloads.remove(backend.metadata, graceSeconds);

      const logsOf = async (backend: Backend, tailLines?: number) =>
        text(engine.workloads.logs(backend.metadata, tailLines === undefined ? {} : { tailLines }));

      test("there is none until one is asked for, and asking for it is enough", async () => {
        const backend = await store.create({ name: "b", spec: harness.spec("serves") });
        expect(await engine.workloads.observe(backend.metadata)).toEqual({ kind: "absent" });
        expect(await engine.workloads.list()).toEqual([]);
        expect(engine.relayHost(backend)).toBeUndefined();
        expect(["pending", "running"]).toContain((await engine.workloads.ensure(backend)).kind);
        await until(backend, "running");
        expect(await engine.workloads.list()).toEqual([{ name: "b", uid: backend.metadata.uid }]);
      });

      describe.skipIf(lacks.logs !== undefined)("what a program writes", () => {
        test("can be followed from the start until the program is over", async () => {
          const backend = await start("polite");
          await listening(backend);
          const followed = text(engine.workloads.logs(backend.metadata, { follow: true }));
          await remove(backend, 30);
          expect(await followed).toMatch(/listening\n[\s\S]*asked to end\n$/);
        });

        test("can be followed from its last lines, until the reader has enough", async () => {
          const backend = await start("prints");
          await listening(backend);
          const stop = new AbortController();
          const followed = text(
            engine.workloads.logs(backend.metadata, { tailLines: 2, follow: true, signal: stop.signal }),
          );
          const before = engine.workloads.logs(backend.metadata, { follow: true, signal: AbortSignal.abort() });
          expect(await text(before)).toBe("");
          stop.abort();
          expect(["three\nlistening\n", ""]).toContain(await followed);
        });

        test("is still there when the program has ended", async () => {
          const backend = await start("exits-3");
          await until(backend, "ended");
          expect(await text(engine.workloads.logs(backend.metadata, { follow: true }))).toBe("last words\n");
        });

        test("by one that never was is nothing", async () => {
          const identity = { name: "b", uid: "00000000-0000-0000-0000-000000000000" };
          expect(await text(engine.workloads.logs(identity))).toBe("");
          expect(await text(engine.workloads.logs(identity, { follow: true }))).toBe("");
        });
      });

      test("a running one has the times of its steps and the address of its relay host", async () => {
        const backend = await start("serves");
        const { constructedAt, scheduledAt, runningAt, address } = await until(backend, "running");
        expect(constructedAt.getTime()).toBeGreaterThan(Date.parse(backend.metadata.creationTimestamp) - 1_000);
        expect(scheduledAt.getTime()).toBeGreaterThanOrEqual(constructedAt.getTime());
        expect(runningAt.getTime()).toBeGreaterThanOrEqual(scheduledAt.getTime());
        expect(address).toEqual({
          ip: expect.stringMatching(/^[0-9a-f.:]+$/),
          port: expect.any(Number),
          nodeName: expect.stringMatching(/./),
          workloadUID: expect.stringMatching(/./),
        });
        expect(address.port).toBeGreaterThan(0);
        expect(engine.relayHost(backend)).toBeDefined();
      });

      test("a running one says what its program was told to fence by, which grows with each backend of a name", async () => {
        const first = await start("serves");
        const told = (await until(first, "running")).fencingToken;
        expect(told).toBe(first.metadata.resourceVersion);
        use(await harness.reopen());
        expect((await until(first, "running")).fencingToken).toBe(told);
        await remove(first, 0);
        await until(first, "absent");
        await store.delete({ name: first.metadata.name, uid: first.metadata.uid });
        const second = await start("serves");
        const toldLater = (await until(second, "running")).fencingToken;
        expect(Number(toldLater)).toBeGreaterThan(Number(told));
      });

      test("one that never listens is running all the same", async () => {
        const backend = await start("silent");
        await until(backend, "running");
      });

      test("asking for what there is makes no second one", async () => {
        const backend = await start("prints");
        const { address } = await until(backend, "running");
        await engine.workloads.ensure(backend);
        expect((await until(backend, "running")).address).toEqual(address);
        expect(await engine.workloads.list()).toHaveLength(1);
      });

      test("asking several times at once makes one program", async () => {
        const backend = await store.create({ name: "b", spec: harness.spec("prints") });
        await Promise.all([1, 2, 3].map(() => engine.workloads.ensure(backend)));
        await until(backend, "running");
        expect(await engine.workloads.list()).toHaveLength(1);
        if (lacks.logs !== undefined) return;
        await eventually(async () => expect(await logsOf(backend)).toContain("three\n"));
        expect((await logsOf(backend)).match(/^three$/gm)).toHaveLength(1);
      });

      test.each([
        ["exits-0", "Exited", /0/],
        ["exits-3", "Crashed", /3[\s\S]*last words/],
      ] as const)(
        "a program that %s has ended as %s, with a message that says how",
        async (behaviour, reason, message) => {
          const backend = await start(behaviour);
          const { end } = await until(backend, "ended");
          expect(end).toEqual({ reason, message: expect.stringMatching(message), at: expect.any(Date) });
          expect(end.at.getTime()).toBeGreaterThan(Date.parse(backend.metadata.creationTimestamp) - 1_000);
          // It stays so, and is not begun again, until it is removed.
          expect(await engine.workloads.ensure(backend)).toMatchObject({ kind: "ended", end });
          await remove(backend, 30);
          await until(backend, "absent");
          expect(await engine.workloads.list()).toEqual([]);
        },
      );

      test.skipIf(lacks["not-found"] !== undefined)("a program that does not exist ends as StartError", async () => {
        const backend = await start("not-found");
        const { end } = await until(backend, "ended");
        expect(end).toMatchObject({ reason: "StartError", message: expect.stringMatching(/./) });
      });

      test("removing what is not there, or twice, is no error", async () => {
        await engine.workloads.remove({ name: "never", uid: "00000000-0000-0000-0000-000000000000" }, 1);
        const backend = await start("serves");
        await Promise.all([remove(backend, 0), remove(backend, 0)]);
        await remove(backend, 0);
        await until(backend, "absent");
        await remove(backend, 0);
        expect(await engine.workloads.list()).toEqual([]);
        expect(engine.relayHost(backend)).toBeUndefined();
      });

      test("a program that ends when it is asked to is not waited for any longer", async () => {
        const backend = await start("polite");
        await listening(backend);
        await remove(backend, 3_600);
        await until(backend, "absent");
      });

      test("a program that goes on when it was asked to end is ended when the grace is over", async () => {
        const backend = await start("stubborn");
        await listening(backend);
        await remove(backend, longGraceSeconds);
        await until(backend, "stopping");
        if (lacks.logs === undefined) {
          await eventually(async () => expect(await logsOf(backend)).toContain("asked to end\n"));
        }
        expect(await engine.workloads.observe(backend.metadata)).toEqual({ kind: "stopping" });
        await remove(backend, 1);
        await remove(backend, 3_600); // a later call does not give it more time
        await until(backend, "absent");
      });

      test("whoever watches is told of a beginning and an end, and nobody else", async () => {
        const told: WorkloadIdentity[] = [];
        const toldToNobody: WorkloadIdentity[] = [];
        engine.workloads.watch((identity) => told.push(identity));
        const stop = engine.workloads.watch((identity) => toldToNobody.push(identity));
        stop();
        const backend = await store.create({ name: "b", spec: harness.spec("exits-0") });
        const identity = { name: "b", uid: backend.metadata.uid };
        const observedWhenTold = new Set<string>();
        engine.workloads.watch((about) => {
          if (about.uid !== identity.uid) return;
          engine.workloads.observe(about).then(
            ({ kind }) => observedWhenTold.add(kind),
            () => {}, // the engine was closed
          );
        });
        await engine.workloads.ensure(backend);
        // Whoever looks when told sees the end and the disappearance, and need not look at any other time.
        await eventually(() => expect(observedWhenTold).toContain("ended"));
        await remove(backend, 1);
        await eventually(() => expect(observedWhenTold).toContain("absent"));
        expect(told[0]).toEqual(identity);
        expect(toldToNobody).toEqual([]);
      });

      test("a spec's environment reaches the program, save for what Spawner sets itself", async ({ skip }) => {
        if (lacks.logs !== undefined) skip(lacks.logs);
        const backend = await start("prints", { GREETING: "hello", PORT: "1", SPAWNER_BACKEND: "somebody/else" });
        await eventually(async () => expect(await logsOf(backend)).toContain("three\n"));
        const written = await logsOf(backend);
        expect(written).toContain(`SPAWNER_BACKEND=${identityOf(backend)}\n`);
        expect(written).toContain("GREETING=hello\n");
        expect(Number(/^PORT=(\d+)$/m.exec(written)?.[1])).toBeGreaterThan(1);
      });

      test("what a program wrote can be read, all of it or the last lines", async ({ skip }) => {
        if (lacks.logs !== undefined) skip(lacks.logs);
        const backend = await start("prints");
        await eventually(async () => expect(await logsOf(backend)).toContain("one\ntwo\nthree\n"));
        await listening(backend);
        expect(await logsOf(backend, 3)).toMatch(/^two\nthree\n.*\n$/);
        expect(await logsOf(backend, 0)).toBe("");
        const never = await store.create({ name: "never", spec: harness.spec("silent") });
        expect(await logsOf(never)).toBe("");
      });

      test("a program goes on while the engine is closed and opened again", async () => {
        const backend = await start("serves");
        const { address, runningAt } = await until(backend, "running");
        use(await harness.reopen());
        const again = await until(backend, "running");
        expect(again.address.workloadUID).toBe(address.workloadUID);
        expect(again.runningAt).toEqual(runningAt);
        expect(await engine.workloads.list()).toEqual([{ name: "serves", uid: backend.metadata.uid }]);
        await remove(backend, 1);
        await until(backend, "absent");
      });

      test("one that was told to end is said to be ending after the engine was opened again, and can be hurried", async () => {
        const backend = await start("stubborn");
        await listening(backend);
        await remove(backend, longGraceSeconds);
        await until(backend, "stopping");
        use(await harness.reopen());
        expect(await engine.workloads.observe(backend.metadata)).toEqual({ kind: "stopping" });
        await remove(backend, longGraceSeconds);
        await remove(backend, 0);
        await until(backend, "absent");
      });

      test("a workload outlives its record, so that whoever finds it can remove it", async () => {
        const backend = await start("serves");
        await until(backend, "running");
        await store.delete(backend.metadata);
        use(await harness.reopen());
        const [orphan] = await engine.workloads.list();
        expect(orphan).toEqual({ name: "serves", uid: backend.metadata.uid });
        await remove(backend, 1);
        await until(backend, "absent");
      });

      test("closing twice is closing once", async () => {
        await start("serves");
        await Promise.all([engine.close(), engine.close()]);
        await engine.close();
        use(await harness.reopen());
      });

      /** Programs that serve say so, once their handlers are in place. */
      const listening = async (backend: Backend) => {
        await until(backend, "running");
        if (lacks.logs !== undefined) return;
        await eventually(async () => expect(await logsOf(backend)).toContain("listening\n"));
      };
    });
  });
}

function record(store: BackendStore): { readonly changes: BackendChange[]; stop(): void } {
  const changes: BackendChange[] = [];
  return { changes, stop: store.watch((change) => changes.push(change)) };
}

function isAbout(change: BackendChange, name: string): boolean {
  return change.kind !== "synced" && change.backend.metadata.name === name;
}

function versionsOf(changes: readonly BackendChange[], name: string): string[] {
  return changes.flatMap((change) =>
    change.kind === "changed" && change.backend.metadata.name === name ? [change.backend.metadata.resourceVersion] : [],
  );
}
