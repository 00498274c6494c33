import type { EndReason } from "@spawner/client";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Decision, type DecisionConfig, decide, needsHost, type WorkloadObservation } from "./decide.ts";
import type { Backend, BackendSpec, BackendStatus } from "./resource.ts";
import { endStateOf, livingStates, type RecordedState, rankOf } from "./states.ts";
import { applyStatusPatch, hasEnded, stateOf } from "./status.ts";

const startMs = Date.parse("2026-01-01T00:00:00.000Z");
/** The moment that many seconds after the backend was created. */
const at = (seconds: number) => new Date(startMs + seconds * 1000);
/** Every decision of the tables is made 10 s after the creation. */
const now = at(10);

const address = { ip: "10.0.0.7", port: 9090, nodeName: "node", workloadUID: "w" };

const observations = {
  absent: { kind: "absent" },
  // Constructed long ago, or so lately that the next state may share its write.
  pending: { kind: "pending", constructedAt: at(1) },
  "pending-fresh": { kind: "pending", constructedAt: at(9.6) },
  scheduled: { kind: "pending", constructedAt: at(1), scheduledAt: at(2) },
  "scheduled-fresh": { kind: "pending", constructedAt: at(1), scheduledAt: at(9.6) },
  "address-known": { kind: "pending", constructedAt: at(1), scheduledAt: at(9.6), address },
  "held-up": { kind: "pending", constructedAt: at(1), problem: { reason: "ImagePull", message: "no such image" } },
  interrupted: { kind: "interrupted", constructedAt: at(1), scheduledAt: at(2) },
  running: { kind: "running", constructedAt: at(1), scheduledAt: at(2), runningAt: at(3), address },
  stopping: { kind: "stopping" },
  exited: { kind: "ended", end: { reason: "Exited", message: "code 0", at: at(9) } },
  crashed: { kind: "ended", end: { reason: "Crashed", message: "code 3", at: at(9) } },
} as const satisfies Record<string, WorkloadObservation>;

const columns = ["gone", "Submitted", "Constructed", "Scheduled", "Running", "Ready", "Swept", "Failed"] as const;

/**
 * One table for each circumstance, a column for each state of the record ("gone": there is none), a row for each observation.
 * All begin 10 s after the creation; the startup timeout is 300 s, and the record of an ended backend was written at 5 s.
 *   -            nothing
 *   ensure       have the workload made
 *   remove       have the workload removed
 *   delete       delete the record
 *   >Running     write that this state is reached (or, in the same state, the address)
 *   !Crashed     write this end, and have the workload removed
 *   @290         look again in 290 s
 *   ?            ask the relay host whether the program listens, and decide again
 */
const tables: Table[] = [
  {
    circumstance: "of which nothing special is to be said",
    table: `
                       gone    Submitted         Constructed     Scheduled       Running        Ready          Swept   Failed
      absent           -       ensure            !WorkloadLost   !WorkloadLost   !WorkloadLost  !WorkloadLost  @3595   @3595
      pending          remove  >Constructed@291  @291            @291            @291           -              remove  remove
      pending-fresh    remove  @1.6              @299.6          @299.6          @299.6         -              remove  remove
      scheduled        remove  >Scheduled@291    >Scheduled@291  @291            @291           -              remove  remove
      scheduled-fresh  remove  @1.6              @1.6            @291            @291           -              remove  remove
      address-known    remove  >Scheduled@291    >Scheduled@291  >Scheduled@291  @291           -              remove  remove
      held-up          remove  >Constructed@291  @291            @291            @291           -              remove  remove
      interrupted      remove  ensure            ensure          ensure          ensure         ensure         remove  remove
      running          remove  >Running@291      >Running@291    >Running@291    @291           -              remove  remove
      stopping         remove  !WorkloadLost     !WorkloadLost   !WorkloadLost   !WorkloadLost  !WorkloadLost  remove  remove
      exited           remove  !Exited           !Exited         !Exited         !Exited        !Exited        remove  remove
      crashed          remove  !Crashed          !Crashed        !Crashed        !Crashed       !Crashed       remove  remove`,
  },
  {
    circumstance: "that was asked to stop",
    spec: { stopRequested: true },
    table: `
                       gone    Submitted   Constructed  Scheduled   Running     Ready       Swept   Failed
      absent           -       !Requested  !Requested   !Requested  !Requested  !Requested  @3595   @3595
      pending          remove  !Requested  !Requested   !Requested  !Requested  !Requested  remove  remove
      pending-fresh    remove  !Requested  !Requested   !Requested  !Requested  !Requested  remove  remove
      scheduled        remove  !Requested  !Requested   !Requested  !Requested  !Requested  remove  remove
      scheduled-fresh  remove  !Requested  !Requested   !Requested  !Requested  !Requested  remove  remove
      address-known    remove  !Requested  !Requested   !Requested  !Requested  !Requested  remove  remove
      held-up          remove  !Requested  !Requested   !Requested  !Requested  !Requested  remove  remove
      interrupted      remove  !Requested  !Requested   !Requested  !Requested  !Requested  remove  remove
      running          remove  !Requested  !Requested   !Requested  !Requested  !Requested  remove  remove
      stopping         remove  !Requested  !Requested   !Requested  !Requested  !Requested  remove  remove
      exited           remove  !Exited     !Exited      !Exited     !Exited     !Exited     remove  remove
      crashed          remove  !Crashed    !Crashed     !Crashed    !Crashed    !Crashed    remove  remove`,
  },
  {
    circumstance: "at the end of its lifetime",
    spec: { lifetimeSeconds: 10 },
    table: `
                       gone    Submitted          Constructed        Scheduled          Running            Ready              Swept   Failed
      absent           -       !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  @3595   @3595
      pending          remove  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  remove  remove
      pending-fresh    remove  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  remove  remove
      scheduled        remove  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  remove  remove
      scheduled-fresh  remove  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  remove  remove
      address-known    remove  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  remove  remove
      held-up          remove  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  remove  remove
      interrupted      remove  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  remove  remove
      running          remove  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  remove  remove
      stopping         remove  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  !LifetimeExceeded  remove  remove
      exited           remove  !Exited            !Exited            !Exited            !Exited            !Exited            remove  remove
      crashed          remove  !Crashed           !Crashed           !Crashed           !Crashed           !Crashed           remove  remove`,
  },
  {
    circumstance: "just before the end of its lifetime",
    spec: { lifetimeSeconds: 11 },
    table: `
                       gone    Submitted       Constructed    Scheduled      Running        Ready          Swept   Failed
      absent           -       ensure          !WorkloadLost  !WorkloadLost  !WorkloadLost  !WorkloadLost  @3595   @3595
      pending          remove  >Constructed@1  @1             @1             @1             @1             remove  remove
      pending-fresh    remove  @1              @1             @1             @1             @1             remove  remove
      scheduled        remove  >Scheduled@1    >Scheduled@1   @1             @1             @1             remove  remove
      scheduled-fresh  remove  @1              @1             @1             @1             @1             remove  remove
      address-known    remove  >Scheduled@1    >Scheduled@1   >Scheduled@1   @1             @1             remove  remove
      held-up          remove  >Constructed@1  @1             @1             @1             @1             remove  remove
      interrupted      remove  ensure          ensure         ensure         ensure         ensure         remove  remove
      running          remove  >Running@1      >Running@1     >Running@1     @1             @1             remove  remove
      stopping         remove  !WorkloadLost   !WorkloadLost  !WorkloadLost  !WorkloadLost  !WorkloadLost  remove  remove
      exited           remove  !Exited         !Exited        !Exited        !Exited        !Exited        remove  remove
      crashed          remove  !Crashed        !Crashed       !Crashed       !Crashed       !Crashed       remove  remove`,
  },
  {
    circumstance: "at its startup timeout",
    spec: { startupTimeoutSeconds: 9 },
    table: `
                       gone    Submitted        Constructed      Scheduled        Running          Ready          Swept   Failed
      absent           -       ensure           !WorkloadLost    !WorkloadLost    !WorkloadLost    !WorkloadLost  @3595   @3595
      pending          remove  !StartupTimeout  !StartupTimeout  !StartupTimeout  !StartupTimeout  -              remove  remove
      pending-fresh    remove  @1.6             @8.6             @8.6             @8.6             -              remove  remove
      scheduled        remove  !StartupTimeout  !StartupTimeout  !StartupTimeout  !StartupTimeout  -              remove  remove
      scheduled-fresh  remove  !StartupTimeout  !StartupTimeout  !StartupTimeout  !StartupTimeout  -              remove  remove
      address-known    remove  !StartupTimeout  !StartupTimeout  !StartupTimeout  !StartupTimeout  -              remove  remove
      held-up          remove  !ImagePull       !ImagePull       !ImagePull       !ImagePull       -              remove  remove
      interrupted      remove  !StartupTimeout  !StartupTimeout  !StartupTimeout  !StartupTimeout  ensure         remove  remove
      running          remove  >Running@10?     >Running@10?     >Running@10?     @10?             -              remove  remove
      stopping         remove  !WorkloadLost    !WorkloadLost    !WorkloadLost    !WorkloadLost    !WorkloadLost  remove  remove
      exited           remove  !Exited          !Exited          !Exited          !Exited          !Exited        remove  remove
      crashed          remove  !Crashed         !Crashed         !Crashed         !Crashed         !Crashed       remove  remove`,
  },
  {
    circumstance: "when its record was retained long enough",
    config: { retainSeconds: 5 },
    table: `
                       gone    Submitted         Constructed     Scheduled       Running        Ready          Swept   Failed
      absent           -       ensure            !WorkloadLost   !WorkloadLost   !WorkloadLost  !WorkloadLost  delete  delete
      pending          remove  >Constructed@291  @291            @291            @291           -              remove  remove
      pending-fresh    remove  @1.6              @299.6          @299.6          @299.6         -              remove  remove
      scheduled        remove  >Scheduled@291    >Scheduled@291  @291            @291           -              remove  remove
      scheduled-fresh  remove  @1.6              @1.6            @291            @291           -              remove  remove
      address-known    remove  >Scheduled@291    >Scheduled@291  >Scheduled@291  @291           -              remove  remove
      held-up          remove  >Constructed@291  @291            @291            @291           -              remove  remove
      interrupted      remove  ensure            ensure          ensure          ensure         ensure         remove  remove
      running          remove  >Running@291      >Running@291    >Running@291    @291           -              remove  remove
      stopping         remove  !WorkloadLost     !WorkloadLost   !WorkloadLost   !WorkloadLost  !WorkloadLost  remove  remove
      exited           remove  !Exited           !Exited         !Exited         !Exited        !Exited        remove  remove
      crashed          remove  !Crashed          !Crashed        !Crashed        !Crashed       !Crashed       remove  remove`,
  },
  {
    circumstance: "with a spec that cannot be run",
    spec: { template: { containers: [] } },
    table: `
                       gone    Submitted     Constructed     Scheduled       Running        Ready          Swept   Failed
      absent           -       !InvalidSpec  !WorkloadLost   !WorkloadLost   !WorkloadLost  !WorkloadLost  @3595   @3595
      pending          remove  !InvalidSpec  @291            @291            @291           -              remove  remove
      pending-fresh    remove  !InvalidSpec  @299.6          @299.6          @299.6         -              remove  remove
      scheduled        remove  !InvalidSpec  >Scheduled@291  @291            @291           -              remove  remove
      scheduled-fresh  remove  !InvalidSpec  @1.6            @291            @291           -              remove  remove
      address-known    remove  !InvalidSpec  >Scheduled@291  >Scheduled@291  @291           -              remove  remove
      held-up          remove  !InvalidSpec  @291            @291            @291           -              remove  remove
      interrupted      remove  !InvalidSpec  ensure          ensure          ensure         ensure         remove  remove
      running          remove  !InvalidSpec  >Running@291    >Running@291    @291           -              remove  remove
      stopping         remove  !InvalidSpec  !WorkloadLost   !WorkloadLost   !WorkloadLost  !WorkloadLost  remove  remove
      exited           remove  !InvalidSpec  !Exited         !Exited         !Exited        !Exited        remove  remove
      crashed          remove  !InvalidSpec  !Crashed        !Crashed        !Crashed       !Crashed       remove  remove`,
  },
  {
    circumstance: "while the server goes away",
    config: { draining: true },
    table: `
                       gone    Submitted  Constructed  Scheduled  Running   Ready     Swept   Failed
      absent           -       !Drained   !Drained     !Drained   !Drained  !Drained  @3595   @3595
      pending          remove  !Drained   !Drained     !Drained   !Drained  !Drained  remove  remove
      pending-fresh    remove  !Drained   !Drained     !Drained   !Drained  !Drained  remove  remove
      scheduled        remove  !Drained   !Drained     !Drained   !Drained  !Drained  remove  remove
      scheduled-fresh  remove  !Drained   !Drained     !Drained   !Drained  !Drained  remove  remove
      address-known    remove  !Drained   !Drained     !Drained   !Drained  !Drained  remove  remove
      held-up          remove  !Drained   !Drained     !Drained   !Drained  !Drained  remove  remove
      interrupted      remove  !Drained   !Drained     !Drained   !Drained  !Drained  remove  remove
      running          remove  !Drained   !Drained     !Drained   !Drained  !Drained  remove  remove
      stopping         remove  !Drained   !Drained     !Drained   !Drained  !Drained  remove  remove
      exited           remove  !Exited    !Exited      !Exited    !Exited   !Exited   remove  remove
      crashed          remove  !Crashed   !Crashed     !Crashed   !Crashed  !Crashed  remove  remove`,
  },
  {
    circumstance: "to which all of this applies",
    spec: { template: { containers: [] }, stopRequested: true, lifetimeSeconds: 10, startupTimeoutSeconds: 10 },
    config: { draining: true, retainSeconds: 5 },
    table: `
                       gone    Submitted     Constructed  Scheduled   Running     Ready       Swept   Failed
      absent           -       !InvalidSpec  !Requested   !Requested  !Requested  !Requested  delete  delete
      pending          remove  !InvalidSpec  !Requested   !Requested  !Requested  !Requested  remove  remove
      pending-fresh    remove  !InvalidSpec  !Requested   !Requested  !Requested  !Requested  remove  remove
      scheduled        remove  !InvalidSpec  !Requested   !Requested  !Requested  !Requested  remove  remove
      scheduled-fresh  remove  !InvalidSpec  !Requested   !Requested  !Requested  !Requested  remove  remove
      address-known    remove  !InvalidSpec  !Requested   !Requested  !Requested  !Requested  remove  remove
      held-up          remove  !InvalidSpec  !Requested   !Requested  !Requested  !Requested  remove  remove
      interrupted      remove  !InvalidSpec  !Requested   !Requested  !Requested  !Requested  remove  remove
      running          remove  !InvalidSpec  !Requested   !Requested  !Requested  !Requested  remove  remove
      stopping         remove  !InvalidSpec  !Requested   !Requested  !Requested  !Requested  remove  remove
      exited           remove  !InvalidSpec  !Exited      !Exited     !Exited     !Exited     remove  remove
      crashed          remove  !InvalidSpec  !Crashed     !Crashed    !Crashed    !Crashed    remove  remove`,
  },
];

interface Table {
  circumstance: string;
  spec?: Partial<BackendSpec>;
  config?: Partial<DecisionConfig>;
  table: string;
}

const configDefaults: DecisionConfig = { retainSeconds: 3600, draining: false };

const specGiven: BackendSpec = { template: { containers: [{ image: "a" }] } };

/** A backend that has come to this state as it should. */
function makeBackend(state: RecordedState, change: Partial<BackendSpec> = {}): Backend {
  return {
    metadata: { name: "b", uid: "u", resourceVersion: "1", creationTimestamp: at(0).toISOString(), labels: {} },
    spec: { ...specGiven, ...change },
    status: statuses[state],
  };
}

const reached = (...states: RecordedState[]): BackendStatus => ({
  ...definedOf({ phase: states.at(-1) }),
  ...Object.fromEntries(states.map((state) => [state.toLowerCase(), true])),
  transitions: Object.fromEntries(
    states.map((state) => [state, { time: at(isEnd(state) ? 5 : rankOf(state)).toISOString() }]),
  ),
});
const isEnd = (state: RecordedState) => state === "Swept" || state === "Failed";
const addressFields: BackendStatus = { podIP: "10.0.0.7", port: 9090, nodeName: "node", podUID: "w" };
const statuses: Record<RecordedState, BackendStatus> = {
  Submitted: {},
  Constructed: reached("Submitted", "Constructed"),
  Scheduled: reached("Submitted", "Constructed", "Scheduled"),
  Running: { ...reached("Submitted", "Constructed", "Scheduled", "Running"), ...addressFields },
  Ready: { ...reached(...livingStates), ...addressFields },
  Swept: { ...reached(...livingStates, "Swept"), ...addressFields, reason: "Idle", message: "" },
  Failed: { ...reached("Submitted", "Failed"), reason: "ImagePull", message: "" },
};

function describeDecision(decision: Decision): string {
  const { status, workload, record, requeueAfterMs } = decision;
  const ended = status?.reason !== undefined;
  const parts = [
    status === undefined ? "" : ended ? `!${status.reason}` : `>${status.phase}`,
    // An end has the workload removed; so does nothing else that writes.
    workload === "leave" || (ended && workload === "remove") ? "" : workload,
    record === "keep" ? "" : record,
    requeueAfterMs === undefined ? "" : `@${requeueAfterMs / 1000}`,
    needsHost(decision) ? "?" : "",
  ];
  return parts.join("") || "-";
}

describe.each(tables)("a backend $circumstance", ({ spec, config, table }) => {
  test.each(cellsOf(table))("$state and $observation: $expected", ({ state, observation, expected }) => {
    const backend = state === "gone" ? undefined : makeBackend(state, spec);
    const observed = { backend, workload: observations[observation] };
    expect(describeDecision(decide(observed, now, { ...configDefaults, ...config }))).toBe(expected);
  });
});

test("the tables name every state with every observation", () => {
  for (const { table } of tables)
    expect(cellsOf(table)).toHaveLength(columns.length * Object.keys(observations).length);
});

describe("a start that is held up by what will not go away", () => {
  const heldUp = (until: Date): WorkloadObservation => ({
    ...observations["held-up"],
    problem: { ...observations["held-up"].problem, until },
  });
  const decideAbout = (state: RecordedState, until: Date) =>
    describeDecision(decide({ backend: makeBackend(state), workload: heldUp(until) }, now, configDefaults));

  test("is given time, and looked at again when it is over", () => {
    expect(decideAbout("Constructed", at(12))).toBe("@2");
    expect(decideAbout("Submitted", at(12))).toBe(">Constructed@2");
  });

  test("ends for that reason once its time is over", () => {
    expect(decideAbout("Constructed", at(10))).toBe("!ImagePull");
    expect(decideAbout("Submitted", at(3))).toBe("!ImagePull");
  });

  test("ends at its startup timeout where that is earlier", () => {
    expect(decideAbout("Constructed", at(1_000))).toBe("@291");
  });
});

test("an end that may turn out to have another reason is looked at again, and recorded once it is certain", () => {
  const { end } = observations.exited;
  const decideAbout = (certainAt: Date, backend = makeBackend("Ready"), config = configDefaults) =>
    describeDecision(decide({ backend, workload: { kind: "ended", end: { ...end, certainAt } } }, now, config));
  expect(decideAbout(at(11))).toBe("@1");
  expect(decideAbout(at(10))).toBe("!Exited");
  // Whoever waits for its end does not wait for the reason.
  expect(decideAbout(at(11), makeBackend("Ready", { stopRequested: true }))).toBe("!Exited");
  expect(decideAbout(at(11), makeBackend("Ready"), { ...configDefaults, draining: true })).toBe("!Exited");
});

describe("a start that is blocked", () => {
  const workload: WorkloadObservation = { kind: "blocked", by: "Another one is there.", since: at(8) };
  const backend = makeBackend("Submitted");

  test("is recorded as submitted and no more, and tried again and again until its startup timeout", () => {
    expect(describeDecision(decide({ backend, workload }, now, configDefaults))).toBe(">Submitted@5");
    expect(describeDecision(decide({ backend, workload }, at(306), configDefaults))).toBe(">Submitted@2");
  });

  test("ends with what it was blocked by, when that was so for long", () => {
    expect(decide({ backend, workload }, at(308), configDefaults).status).toMatchObject({
      reason: "StartupTimeout",
      message: "The program was not started within 300 s (startupTimeoutSeconds). Another one is there.",
    });
  });
});

describe("a program that has had its time to listen", () => {
  const backend = makeBackend("Running");
  const decideAt = (seconds: number, listens?: boolean) => {
    const observed = { backend, workload: observations.running, ...(listens === undefined ? {} : { listens }) };
    return describeDecision(decide(observed, at(seconds), configDefaults));
  };

  test("has it from when its workload was made, of which no controller may have been there to make one", () => {
    expect(decideAt(300.9)).toBe("@0.1");
    expect(decideAt(301)).toBe("@10?");
    const late = decide({ backend: makeBackend("Submitted"), workload: { kind: "absent" } }, at(3_000), configDefaults);
    expect(describeDecision(late)).toBe("ensure");
  });

  test("is ended only where its relay host says that it does not listen, else looked at again", () => {
    expect(decideAt(301, false)).toBe("!StartupTimeout");
    expect(decideAt(301, true)).toBe("@10");
    expect(decideAt(400, true)).toBe("@10");
  });

  test("is told apart from one that nobody took up: then that is said", () => {
    const pending = { ...observations.pending, waitsFor: "No scheduler has taken it." };
    const { status } = decide({ backend: makeBackend("Constructed"), workload: pending }, at(301), configDefaults);
    expect(status).toMatchObject({
      reason: "StartupTimeout",
      message: "The program was not started within 300 s (startupTimeoutSeconds). No scheduler has taken it.",
    });
  });
});

describe("what is written", () => {
  const statusOf = (backend: Backend, workload: WorkloadObservation, when = now) =>
    decide({ backend, workload }, when, configDefaults).status;

  test("states that were passed together share a write, and each keeps its own time", () => {
    expect(statusOf(makeBackend("Submitted"), observations.running)).toEqual({
      phase: "Running",
      submitted: true,
      constructed: true,
      scheduled: true,
      running: true,
      transitions: {
        Submitted: { time: "2026-01-01T00:00:00.000Z" },
        Constructed: { time: "2026-01-01T00:00:01.000Z" },
        Scheduled: { time: "2026-01-01T00:00:02.000Z" },
        Running: { time: "2026-01-01T00:00:03.000Z" },
      },
      podIP: "10.0.0.7",
      podUID: "w",
      nodeName: "node",
      ip: "10.0.0.7",
      port: 9090,
      url: "http://10.0.0.7:9090/",
    });
  });

  test("that a program runs waits for Ready to share its write, where whoever says so knows where it is", () => {
    const { Scheduled } = statuses;
    const backend = { ...makeBackend("Scheduled"), status: { ...Scheduled, ...addressFields } };
    // It began in the second before 8.4.
    const running = { ...observations.running, runningAt: at(8) };
    const decideAt = (seconds: number) =>
      describeDecision(decide({ backend, workload: running }, at(seconds), configDefaults));
    expect(decideAt(8.4)).toBe("@1.6");
    expect(decideAt(10)).toBe(">Running@291");
    const service = { ip: "10.96.0.7", url: "http://b" };
    const served = { ...backend, status: { ...backend.status, ...service } };
    const workload = { ...running, address: { ...address, service } };
    expect(describeDecision(decide({ backend: served, workload }, at(8.4), configDefaults))).toBe(">Running@292.6");
  });

  test("a state that the sweeper wrote first is kept, and those before it get their times", () => {
    const ready = makeBackend("Submitted");
    const backend = {
      ...ready,
      status: { ready: true, phase: "Ready", transitions: { Ready: { time: "t" } } },
    } as Backend;
    expect(statusOf(backend, observations.running)).toMatchObject({
      phase: "Ready",
      running: true,
      transitions: { Running: { time: "2026-01-01T00:00:03.000Z" } },
    });
    expect(statusOf(backend, observations.running)?.transitions).not.toHaveProperty("Ready");
  });

  test("an address that has changed is written, and nothing else", () => {
    const moved = { ...observations.running, address: { ...address, port: 9999 } };
    expect(statusOf(makeBackend("Ready"), moved)).toEqual({
      phase: "Ready",
      podIP: "10.0.0.7",
      podUID: "w",
      nodeName: "node",
      ip: "10.0.0.7",
      port: 9999,
      url: "http://10.0.0.7:9999/",
    });
  });

  test("an end has its reason, its message and its own time, once as a condition", () => {
    expect(statusOf(makeBackend("Running"), observations.crashed)).toEqual({
      failed: true,
      phase: "Failed",
      reason: "Crashed",
      message: "code 3",
      transitions: { Failed: { time: "2026-01-01T00:00:09.000Z" } },
      conditions: [
        {
          type: "Ready",
          status: "False",
          reason: "Crashed",
          message: "code 3",
          lastTransitionTime: "2026-01-01T00:00:09.000Z",
        },
      ],
    });
  });

  test.each([
    ["running", "The program did not listen on its port (PORT in its environment) within 7 s (startupTimeoutSeconds)."],
    ["pending", "The program was not started within 7 s (startupTimeoutSeconds)."],
    ["held-up", "no such image"],
  ] as const)("a startup timeout says what it waited for: %s", (observation, message) => {
    const backend = makeBackend("Submitted", { startupTimeoutSeconds: 7 });
    const { status } = decide({ backend, workload: observations[observation], listens: false }, now, configDefaults);
    expect(status).toMatchObject({ phase: "Failed", message });
  });

  test("a startup timeout says as well what the program was seen to do instead", () => {
    const backend = makeBackend("Running", { startupTimeoutSeconds: 5 });
    const notListening = "It listens on port 8080 instead.";
    const workload = { ...observations.running, notListening };
    expect(decide({ backend, workload, listens: false }, now, configDefaults).status).toMatchObject({
      message:
        "The program did not listen on its port (PORT in its environment) within 5 s (startupTimeoutSeconds). It listens on port 8080 instead.",
    });
  });

  test("the reason of a spec that cannot be run names the field", () => {
    expect(statusOf(makeBackend("Submitted", { gracePeriodSeconds: -1 }), observations.absent)).toMatchObject({
      reason: "InvalidSpec",
      message: "The spec cannot be run: gracePeriodSeconds must be at least 0; -1 was given.",
    });
  });
});

describe("of any backend, at any time", () => {
  const seconds = fc.integer({ min: 0, max: 20 });
  const time = seconds.map(at);
  const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
  const workloads: fc.Arbitrary<WorkloadObservation> = fc.oneof(
    fc.constantFrom<WorkloadObservation>({ kind: "absent" }, { kind: "stopping" }),
    time.map((since): WorkloadObservation => ({ kind: "blocked", by: "Another one is there.", since })),
    fc
      .record({
        constructedAt: time,
        scheduledAt: maybe(time),
        address: maybe(fc.constant(address)),
        problem: maybe(fc.constant(observations["held-up"].problem)),
      })
      .map((fields) => ({ kind: "pending", ...definedOf(fields) }) as WorkloadObservation),
    fc
      .record({ constructedAt: time, scheduledAt: time })
      .map((times): WorkloadObservation => ({ kind: "interrupted", ...times })),
    fc
      .record({ constructedAt: time, scheduledAt: time, runningAt: time, port: fc.constantFrom(9090, 9999) })
      .map(({ port, ...times }): WorkloadObservation => ({ kind: "running", ...times, address: { ...address, port } })),
    fc
      .record({
        reason: fc.constantFrom<EndReason>("Exited", "Crashed", "OutOfMemory"),
        at: time,
        certainAt: maybe(time),
      })
      .map((end) => ({ kind: "ended", end: { ...definedOf(end), message: "m" } }) as WorkloadObservation),
  );
  // Also such as only two writers can make: Ready without Running, an end without a beginning.
  const backends = fc
    .record({
      states: fc.subarray([...livingStates, "Swept", "Failed"] as RecordedState[]),
      withAddress: fc.boolean(),
      stopRequested: maybe(fc.boolean()),
      lifetimeSeconds: maybe(fc.integer({ min: 1, max: 20 })),
      startupTimeoutSeconds: maybe(fc.integer({ min: 1, max: 20 })),
      invalid: fc.boolean(),
    })
    .map(({ states, withAddress, invalid, ...given }): Backend => {
      const backend = makeBackend("Submitted", {
        ...definedOf(given),
        ...(invalid ? { gracePeriodSeconds: -1 } : {}),
      });
      return { ...backend, status: { ...reached(...states), ...(withAddress ? addressFields : {}) } };
    });
  const situations = fc.record({
    backend: backends,
    workload: workloads,
    now: time,
    config: fc.record({ retainSeconds: seconds, draining: fc.boolean() }),
  });
  const holds = (property: (situation: Situation) => void) =>
    fc.assert(fc.property(situations, property), { numRuns: 500 });

  test("it never goes back to a state before", () => {
    holds(({ backend, workload, now, config }) => {
      const after = apply(backend, decide({ backend, workload }, now, config));
      expect(rankOf(stateOf(after))).toBeGreaterThanOrEqual(rankOf(stateOf(backend)));
    });
  });

  test("what has ended is never written again", () => {
    holds(({ backend, workload, now, config }) => {
      fc.pre(hasEnded(backend));
      expect(decide({ backend, workload }, now, config)).not.toHaveProperty("status");
    });
  });

  test("an end has exactly one reason, the state that belongs to it, and takes the workload with it", () => {
    holds(({ backend, workload, now, config }) => {
      const { status, workload: action } = decide({ backend, workload }, now, config);
      if (status?.reason === undefined) {
        expect(status ?? {}).not.toHaveProperty("swept");
        expect(status ?? {}).not.toHaveProperty("failed");
        return;
      }
      const state = endStateOf(status.reason);
      expect(status).toMatchObject({ phase: state, [state.toLowerCase()]: true });
      expect(status).not.toHaveProperty(state === "Swept" ? "failed" : "swept");
      expect(action).toBe("remove");
    });
  });

  test("deciding again about the same gives nothing more to write", () => {
    holds(({ backend, workload, now, config }) => {
      const after = apply(backend, decide({ backend, workload }, now, config));
      expect(decide({ backend: after, workload }, now, config)).not.toHaveProperty("status");
    });
  });

  test("a record that is kept is deleted only without a workload, and only when it has ended", () => {
    holds(({ backend, workload, now, config }) => {
      if (decide({ backend, workload }, now, config).record === "keep") return;
      expect(hasEnded(backend)).toBe(true);
      expect(workload.kind).toBe("absent");
    });
  });

  test("carrying out what is decided comes to rest", () => {
    holds(({ now, config, ...situation }) => {
      let { backend, workload }: { backend: Backend | undefined; workload: WorkloadObservation } = situation;
      for (let step = 0; step < 10; step++) {
        const decision = decide({ backend, workload }, now, config);
        if (rests(decision)) return;
        backend = backend && apply(backend, decision);
        if (decision.workload === "ensure") workload = { kind: "pending", constructedAt: now };
        if (decision.workload === "remove") workload = { kind: workload.kind === "stopping" ? "absent" : "stopping" };
        if (decision.record === "delete") backend = undefined;
      }
      expect.unreachable("it goes round in circles");
    });
  });

  test("waiting for a state that may share a write does not miss a deadline", () => {
    const backend = makeBackend("Submitted", { lifetimeSeconds: 10 });
    const decision = decide({ backend, workload: observations["pending-fresh"] }, at(9.7), configDefaults);
    expect(describeDecision(decision)).toBe("@0.3");
  });

  test("nothing comes up before the time at which it wants to look again", () => {
    const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(situations, fraction, ({ backend, workload, now, config }, fraction) => {
        const decision = decide({ backend, workload }, now, config);
        const { requeueAfterMs = 4_000_000 } = decision;
        expect(requeueAfterMs).toBeGreaterThanOrEqual(0);
        fc.pre(rests(decision) && requeueAfterMs > 0);
        const later = new Date(now.getTime() + Math.floor(requeueAfterMs * fraction));
        expect(rests(decide({ backend, workload }, later, config))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

interface Situation {
  backend: Backend;
  workload: WorkloadObservation;
  now: Date;
  config: DecisionConfig;
}

function apply(backend: Backend, { status }: Decision): Backend {
  return status === undefined ? backend : { ...backend, status: applyStatusPatch(backend.status, status) };
}

/** Whether nothing is to be done now. */
function rests({ status, workload, record }: Decision): boolean {
  return status === undefined && workload === "leave" && record === "keep";
}

/** Without the fields that are undefined. */
function definedOf(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

interface Cell {
  state: (typeof columns)[number];
  observation: keyof typeof observations;
  expected: string;
}

function cellsOf(table: string): Cell[] {
  const [head = [], ...rows] = table
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  expect(head).toEqual(columns);
  return rows.flatMap(([observation, ...cells]) =>
    cells.map((expected, index) => ({ state: head[index], observation, expected }) as Cell),
  );
}

test("the end of a program that was over before it was looked at says all that it had reached", () => {
  const backend = {
    metadata: { name: "b", uid: "1", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00.000Z", labels: {} },
    spec: { template: { containers: [{}] } },
    status: {},
  };
  const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
  const workload = {
    kind: "ended" as const,
    end: { reason: "Crashed" as const, message: "", at: at(4) },
    constructedAt: at(1),
    scheduledAt: at(2),
    runningAt: at(3),
  };
  const { status } = decide({ backend, workload }, at(5), { retainSeconds: 60, draining: false });
  expect(Object.keys(status?.transitions ?? {})).toEqual([
    "Submitted",
    "Constructed",
    "Scheduled",
    "Running",
    "Failed",
  ]);
  expect(status).toMatchObject({ phase: "Failed", running: true, failed: true });
});

describe("what 0.1.9's sweeper wrote, flags alone, is completed", () => {
  const stored = (status: BackendStatus): Backend => {
    const backend = makeBackend("Running");
    return { ...backend, status: { ...backend.status, ...status } };
  };

  test("ready: with its time and condition, by a write of its own", () => {
    const { status, workload } = decide(
      { backend: stored({ ready: true }), workload: observations.running },
      now,
      configDefaults,
    );
    expect(workload).toBe("leave");
    expect(status).toMatchObject({
      transitions: { Ready: { time: now.toISOString() } },
      conditions: [{ status: "True" }],
    });
  });

  test("swept: with its reason, and the workload goes in the same pass", () => {
    const decision = decide(
      { backend: stored({ ready: true, swept: true }), workload: observations.running },
      now,
      configDefaults,
    );
    expect(decision).toMatchObject({ status: { phase: "Swept", reason: "Idle" }, workload: "remove", record: "keep" });
  });

  test.each([
    ["failed", { failed: true }, "Crashed", "code 3"],
    [
      "swept, of a program that had crashed",
      { swept: true },
      "Idle",
      "Nobody was connected for 300 s (gracePeriodSeconds).",
    ],
  ] as const)("%s: with what was seen of its program, where that is the same end", (_, flags, reason, message) => {
    const decision = decide({ backend: stored(flags), workload: observations.crashed }, now, configDefaults);
    expect(decision).toMatchObject({ status: { reason, message }, workload: "remove" });
  });

  test("swept, with nothing left: its record is retained from the time that it is given now", () => {
    const backend = stored({ ready: true, swept: true });
    const { status = {}, record } = decide({ backend, workload: observations.absent }, now, configDefaults);
    expect([status.reason, record]).toEqual(["Idle", "keep"]);
    const explained = { ...backend, status: applyStatusPatch(backend.status, status) };
    const later = (seconds: number) =>
      decide({ backend: explained, workload: observations.absent }, at(seconds), configDefaults);
    expect(later(10).requeueAfterMs).toBe(configDefaults.retainSeconds * 1000);
    expect(later(10 + configDefaults.retainSeconds).record).toBe("delete");
  });
});
