import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Backend, BackendStatus } from "../../../packages/server/src/core/resource.ts";
import { hasEnded, statusHistory } from "../../../packages/server/src/core/status.ts";
import { processesWithEnv } from "../../../packages/server/src/lib/linux-processes.ts";
import type { Life, ProgramNote } from "./life.ts";
import { lifeVariable } from "./server.ts";
import type { TraceLine } from "./trace.ts";

/** What a client is told that asks for a backend which is over. */
export interface Answers {
  readonly ofGateway: object;
  readonly ofApi: object;
  /** How many backends are listed. */
  readonly count: number;
}

/** What was left of a life, and what is known of its course. */
export interface Evidence {
  readonly folder: string;
  readonly programs: readonly ProgramNote[];
  readonly traces: readonly (readonly TraceLine[])[];
  readonly answers: Answers;
}

/** How a life ended: all of it is to be the same with and without crashes. */
export interface EndState {
  /** The record as it was last stored, without its times, its name, and its address, which is of use while it lives. */
  readonly record: RecordEnd;
  /** Rows and files that are still there. */
  readonly left: { readonly backends: number; readonly workloads: number; readonly outputFiles: number };
  readonly answers: Answers;
  /** Whether the program that ran last was asked to end. */
  readonly wasAskedToEnd: boolean;
  /** What must not be in any life. */
  readonly faults: readonly string[];
}

interface RecordEnd {
  readonly spec: unknown;
  readonly flags: Readonly<Record<string, unknown>>;
  readonly transitions: readonly string[];
  readonly reason: string | undefined;
  readonly message: string;
  readonly condition: Readonly<Record<string, string | undefined>>;
}

export function readEndState(life: Life, evidence: Evidence): EndState {
  const { folder, programs, traces, answers } = evidence;
  const lines = traces.flat();
  const history = lines.filter((line) => line.kind === "backend stored").map(({ backend }) => backend);
  const last = history.at(-1);
  if (last === undefined) throw new Error("no record was ever stored");
  const left = readWhatIsLeft(folder);
  const lastStarted = programs.findLast(({ kind }) => kind === "started");
  return {
    record: recordEnd(last, folder),
    left,
    answers,
    wasAskedToEnd: programs.some(({ kind, pid }) => kind === "asked to end" && pid === lastStarted?.pid),
    faults: [
      ...faultsOfHistory(history),
      ...faultsOfWorkloads(lines),
      ...faultsOfPrograms(life, evidence),
      ...processesLeft(evidence),
    ],
  };
}

/** What is run is named by the life's folder, which is another one for each. */
function recordEnd({ spec, status, metadata }: Backend, folder: string): RecordEnd {
  const { submitted, constructed, scheduled, running, ready, swept, failed, phase, reason } = status;
  const [condition] = status.conditions ?? [];
  return {
    spec: JSON.parse(JSON.stringify({ ...spec, stopRequestedAt: undefined }).replaceAll(folder, "FOLDER")),
    flags: { submitted, constructed, scheduled, running, ready, swept, failed, phase },
    transitions: statusHistory({ metadata, spec, status }).map(({ state }) => state),
    reason,
    message: withoutEarlierOutput(status.message),
    condition: {
      type: condition?.type,
      status: condition?.status,
      reason: condition?.reason,
      message: withoutEarlierOutput(condition?.message),
    },
  };
}

/**
 * A program that is started anew goes on in the file of the one before: what a crash cut short in the midst of its start may
 * have written something, and that is kept. Each of the lives' programs says first that it has begun.
 */
function withoutEarlierOutput(message = ""): string {
  const firstOutput = message.indexOf("\nbegun");
  return firstOutput < 0 ? message : message.slice(0, firstOutput) + message.slice(message.lastIndexOf("\nbegun"));
}

function readWhatIsLeft(folder: string): EndState["left"] {
  const database = new DatabaseSync(join(folder, "state", "spawner.db"));
  const count = (table: string) => database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n as number;
  try {
    const outputFiles = readdirSync(join(folder, "state", "output")).length;
    return { backends: count("backends"), workloads: count("workloads"), outputFiles };
  } finally {
    database.close();
  }
}

/** One generation, which only goes forward: versions grow, flags stay, times stay and are in order. */
function faultsOfHistory(history: readonly Backend[]): string[] {
  const faults: string[] = [];
  const generations = new Set(history.map(({ metadata }) => metadata.uid)).size;
  if (generations !== 1) faults.push(`${generations} generations`);
  for (const [index, { metadata, status }] of history.entries()) {
    const before = history[index - 1];
    if (before === undefined) continue;
    const version = `version ${metadata.resourceVersion}`;
    if (Number(metadata.resourceVersion) <= Number(before.metadata.resourceVersion))
      faults.push(`${version} came late`);
    if (hasEnded(before)) faults.push(`${version} was stored after the end`);
    for (const [state, { time }] of Object.entries(before.status.transitions ?? {})) {
      const now = status.transitions?.[state as keyof typeof status.transitions]?.time;
      if (now !== time) faults.push(`${state} was at ${time}, and in ${version} at ${now}`);
    }
    for (const [flag, value] of Object.entries(before.status)) {
      if (value === true && status[flag as keyof BackendStatus] !== true) faults.push(`${version} took back ${flag}`);
    }
  }
  const last = history.at(-1);
  const times = last === undefined ? [] : statusHistory(last).map(({ time }) => time);
  if (times.join() !== times.toSorted().join())
    faults.push(`states are not in the order of their times: ${times.join()}`);
  if (last !== undefined && !hasEnded(last)) faults.push("the record has no end");
  return faults;
}

/** What was recorded of the end of a program stays as it is. */
function faultsOfWorkloads(lines: readonly TraceLine[]): string[] {
  const ends = lines.flatMap((line) =>
    line.kind === "workload stored" && line.workload.end ? [line.workload.end] : [],
  );
  const different = new Set(ends.map((end) => JSON.stringify(end)));
  return different.size > 1 ? [`the program ended in several ways: ${[...different].join(" and ")}`] : [];
}

/** Never two at once, and one more start only where a crash left nobody who knew whether a program had been started. */
function faultsOfPrograms({ starts: meant = 1 }: Life, { programs, traces }: Evidence): string[] {
  const starts = programs.filter((note) => note.kind === "started");
  const doubled = starts.filter(({ others }) => others.length > 0);
  const faults = doubled.map(({ pid, others }) => `program ${pid} was started while ${others.join(" and ")} ran`);
  const startsMax = meant + crashesInTheMidstOfAStart(traces);
  if (starts.length > startsMax) faults.push(`${starts.length} starts, and no more than ${startsMax} were needed`);
  return faults;
}

function crashesInTheMidstOfAStart(traces: Evidence["traces"]): number {
  const isHalfMade = (lines: readonly TraceLine[]) => {
    const last = lines.findLast(({ kind }) => kind === "workload stored" || kind === "workload removed");
    return last?.kind === "workload stored" && last.workload.process === undefined && last.workload.end === undefined;
  };
  return traces.slice(0, -1).filter((_, index) => isHalfMade(traces.slice(0, index + 1).flat())).length;
}

/** Also of the server: and so no port is held either. */
function processesLeft({ folder }: Evidence): string[] {
  return processesWithEnv(lifeVariable, folder).map((pid) => `process ${pid} is left`);
}

/** The same end where the program ended while no server looked: nobody knows how, so that it counts as a failure. */
export function unseen(endState: EndState): EndState {
  const { record } = endState;
  const message = record.message.replace(
    /^The program exited with code \d+\./,
    "The program ended while Spawner was not running (unknown why).",
  );
  const answers = JSON.parse(
    JSON.stringify(endState.answers).replaceAll('"Swept"', '"Failed"').replaceAll('"Exited"', '"Crashed"'),
  ) as Answers;
  return {
    ...endState,
    record: {
      ...record,
      flags: { ...record.flags, swept: undefined, failed: true, phase: "Failed" },
      transitions: [...record.transitions.slice(0, -1), "Failed"],
      reason: "Crashed",
      message,
      condition: { ...record.condition, reason: "Crashed", message },
    },
    answers,
  };
}
