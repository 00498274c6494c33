import type { EndReason, FailedReason } from "@spawner/client";
import { deadlines } from "./deadlines.ts";
import { describeOutput } from "./describe-output.ts";
import { type Backend, completeSpec } from "./resource.ts";
import { rankOf } from "./states.ts";
import {
  endedAt,
  endedPatch,
  explainedEndPatch,
  hasEnded,
  type ReachedTimes,
  reachedPatch,
  type StatusPatch,
  stateOf,
  supersededMessage,
  unrecordedReady,
  type WorkloadAddress,
} from "./status.ts";
import { invalidity } from "./validation.ts";

/** How a program ended, or why it never began. */
export interface WorkloadEnd {
  readonly reason: EndReason;
  /** A sentence or more that a user can act on. */
  readonly message: string;
  readonly at: Date;
}

/** What holds up a start. It is the reason of the end when the startup timeout has passed, or before that, `until` when it lasts. */
export interface StartProblem {
  readonly reason: FailedReason;
  readonly message: string;
  /** From then on nobody needs to wait for it to go away. Default: there is hope until the startup timeout. */
  readonly until?: Date;
}

/** What an engine sees of a backend's workload. */
export type WorkloadObservation =
  /** There is none. */
  | { readonly kind: "absent" }
  /** It exists; its program has not started. */
  | {
      readonly kind: "pending";
      readonly constructedAt: Date;
      readonly scheduledAt?: Date;
      readonly address?: WorkloadAddress;
      readonly problem?: StartProblem;
    }
  /** Its start was cut short (a crash of its server, a port that somebody else took), and nothing of it runs: it is to be ensured. */
  | {
      readonly kind: "interrupted";
      readonly constructedAt: Date;
      readonly scheduledAt: Date;
    }
  | {
      readonly kind: "running";
      readonly constructedAt: Date;
      readonly scheduledAt: Date;
      readonly runningAt: Date;
      readonly address: WorkloadAddress;
      /** What is seen of a program that has not listened for a while: a sentence for the message, should it never do. */
      readonly notListening?: string;
    }
  /** It was told to end and has not gone yet. */
  | { readonly kind: "stopping" }
  /** Its program is over (or could not be started); what is left of it is to be removed. */
  | {
      readonly kind: "ended";
      readonly end: WorkloadEnd;
      /** How far it had come, where that is known. */
      readonly constructedAt?: Date;
      readonly scheduledAt?: Date;
      readonly runningAt?: Date;
    };

/** Everything a decision rests on. */
export interface Observed {
  /** Undefined where the record is gone. */
  readonly backend: Backend | undefined;
  readonly workload: WorkloadObservation;
  /** The last lines that its program wrote. Only needed where `needsOutput` says so. */
  readonly lastOutput?: string;
}

/** What to do about it, in this order: the status is written, then the workload is dealt with, then the record. */
export interface Decision {
  readonly status?: StatusPatch;
  readonly workload: "leave" | "ensure" | "remove";
  readonly record: "keep" | "delete";
  /** When to look again though nothing was seen to change. */
  readonly requeueAfterMs?: number;
}

export interface DecisionConfig {
  /** How long the record of an ended backend stays readable. */
  readonly retainSeconds: number;
  /** The server is going away and takes its backends with it. */
  readonly draining: boolean;
}

/** Whether a decision would say more to its users if it knew the last lines that the program wrote. */
export function needsOutput({ status }: Decision): boolean {
  return status?.reason === "StartupTimeout" || status?.reason === "WorkloadLost";
}

const nothing: Decision = { workload: "leave", record: "keep" };

/** What has to happen to a backend next: a pure function of what was observed and the time. */
export function decide(observed: Observed, now: Date, config: DecisionConfig): Decision {
  const { backend, workload } = observed;
  if (backend === undefined) return workload.kind === "absent" ? nothing : { ...nothing, workload: "remove" };
  if (hasEnded(backend)) return decideEnded(backend, workload, now, config);
  const end = endingOf({ ...observed, backend }, now, config);
  if (end !== undefined) {
    const status = endedPatch(backend, end, reachedTimes(backend, workload));
    return { ...nothing, ...withStatus(status), workload: "remove" };
  }
  if (workload.kind === "absent" || workload.kind === "interrupted") return { ...nothing, workload: "ensure" };
  return decideLiving(backend, workload, now);
}

/** Its workload goes at once, its record when it was retained long enough. */
function decideEnded(backend: Backend, workload: WorkloadObservation, now: Date, config: DecisionConfig): Decision {
  const status = explainedEndPatch(backend, now, workload.kind === "ended" ? workload.end : undefined);
  if (workload.kind !== "absent") return { ...nothing, ...withStatus(status), workload: "remove" };
  if (status !== undefined) return { ...nothing, status };
  const forgetAtMs = (endedAt(backend) ?? now).getTime() + config.retainSeconds * 1000;
  if (now.getTime() >= forgetAtMs) return { ...nothing, record: "delete" };
  return { ...nothing, requeueAfterMs: forgetAtMs - now.getTime() };
}

/** Records what was reached, and comes back for the next deadline. */
function decideLiving(backend: Backend, workload: WorkloadObservation, now: Date): Decision {
  const reached = { ...reachedTimes(backend, workload), ...unrecordedReady(backend, now) };
  const address = workload.kind === "running" || workload.kind === "pending" ? workload.address : undefined;
  const status = reachedPatch(backend, reached, address);
  const deadline = nextDeadline(backend, workload);
  const shareMs = status === undefined ? 0 : worthWaitingMs(workload, now);
  if (shareMs > 0) return { ...nothing, ...requeueAt(earliest(now.getTime() + shareMs, deadline), now) };
  return { ...nothing, ...withStatus(status), ...requeueAt(deadline, now) };
}

/** Why a living backend has to end now, if it has. */
function endingOf(
  { backend, workload, lastOutput }: Observed & { backend: Backend },
  now: Date,
  { draining }: DecisionConfig,
): WorkloadEnd | undefined {
  const spec = completeSpec(backend.spec);
  const end = (reason: EndReason, message: string): WorkloadEnd => ({ reason, message, at: now });
  // Nothing is said of none: it may be gone with the workload, or of a start that was cut short.
  const written = lastOutput ? describeOutput(lastOutput) : undefined;

  const invalid = stateOf(backend) === "Submitted" ? invalidity(backend) : undefined;
  if (invalid !== undefined) return end("InvalidSpec", invalid);
  if (workload.kind === "ended") return workload.end;
  if (spec.stopRequested) {
    return spec.stopReason === "Superseded"
      ? end("Superseded", supersededMessage)
      : end("Requested", "The backend was asked to end.");
  }
  if (draining) return end("Drained", "The server was stopped, and ended its backends.");
  if (reaches(now, lifetimeEnd(backend))) {
    return end("LifetimeExceeded", `The backend reached its lifetime of ${spec.lifetimeSeconds} s.`);
  }
  if (workload.kind === "stopping" || (workload.kind === "absent" && isBegun(backend))) {
    return end("WorkloadLost", sentences("The workload of the backend was removed by somebody else.", written));
  }
  const problem = workload.kind === "pending" ? workload.problem : undefined;
  if (problem !== undefined && reaches(now, problem.until?.getTime())) return end(problem.reason, problem.message);
  if (stateOf(backend) !== "Ready" && reaches(now, startupEnd(backend))) {
    if (problem !== undefined) return end(problem.reason, problem.message);
    const needed = `${spec.startupTimeoutSeconds} s (startupTimeoutSeconds)`;
    if (workload.kind !== "running") {
      return end("StartupTimeout", sentences(`The program was not started within ${needed}.`, written));
    }
    const late = `The program did not listen on its port (PORT in its environment) within ${needed}.`;
    const output = lastOutput === undefined ? undefined : describeOutput(lastOutput);
    return end("StartupTimeout", sentences(late, workload.notListening, output));
  }
  return undefined;
}

function sentences(...given: readonly (string | undefined)[]): string {
  return given.filter((sentence) => sentence !== undefined).join(" ");
}

function isBegun(backend: Backend): boolean {
  return rankOf(stateOf(backend)) >= rankOf("Constructed");
}

function reachedTimes(backend: Backend, workload: WorkloadObservation): ReachedTimes {
  const submitted = { Submitted: new Date(backend.metadata.creationTimestamp) };
  if (workload.kind === "absent" || workload.kind === "stopping") return submitted;
  const { constructedAt, scheduledAt } = workload;
  const runningAt = "runningAt" in workload ? workload.runningAt : undefined;
  return {
    ...submitted,
    ...(constructedAt ? { Constructed: constructedAt } : {}),
    ...(scheduledAt ? { Scheduled: scheduledAt } : {}),
    ...(runningAt ? { Running: runningAt } : {}),
  };
}

/** A workload that is pending and reachable nowhere yet may be running in a moment: then one write says both. */
function worthWaitingMs(workload: WorkloadObservation, now: Date): number {
  if (workload.kind !== "pending" || workload.address !== undefined) return 0;
  const since = workload.scheduledAt ?? workload.constructedAt;
  // A clock that is ahead of ours makes nobody wait for longer.
  return Math.min(since.getTime() - now.getTime(), 0) + deadlines.sharedWriteMs;
}

function lifetimeEnd(backend: Backend): number | undefined {
  const { lifetimeSeconds } = backend.spec;
  return lifetimeSeconds === undefined ? undefined : secondsAfterCreation(backend, lifetimeSeconds);
}

function startupEnd(backend: Backend): number {
  return secondsAfterCreation(backend, completeSpec(backend.spec).startupTimeoutSeconds);
}

function secondsAfterCreation(backend: Backend, seconds: number): number {
  return new Date(backend.metadata.creationTimestamp).getTime() + seconds * 1000;
}

function nextDeadline(backend: Backend, workload: WorkloadObservation): number | undefined {
  const problemEnd = workload.kind === "pending" ? workload.problem?.until?.getTime() : undefined;
  return earliest(lifetimeEnd(backend), problemEnd, stateOf(backend) === "Ready" ? undefined : startupEnd(backend));
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

function reaches(now: Date, deadline: number | undefined): boolean {
  return deadline !== undefined && now.getTime() >= deadline;
}

function requeueAt(deadline: number | undefined, now: Date): { requeueAfterMs?: number } {
  return deadline === undefined ? {} : { requeueAfterMs: Math.max(deadline - now.getTime(), 0) };
}

function withStatus(status: StatusPatch | undefined): { status?: StatusPatch } {
  return status === undefined ? {} : { status };
}
