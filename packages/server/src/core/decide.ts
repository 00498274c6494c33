import type { EndReason, FailedReason } from "@spawner/client";
import type { WorkloadAddress } from "./address.ts";
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
} from "./status.ts";
import { invalidity } from "./validation.ts";

/** How a program ended, or why it never began. */
export interface WorkloadEnd {
  readonly reason: EndReason;
  /** A sentence or more that a user can act on. */
  readonly message: string;
  readonly at: Date;
  /**
   * Until then it may turn out to have ended for another reason: it is recorded then, or when the backend has to end anyway. Default:
   * it is certain.
   */
  readonly certainAt?: Date;
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
  /** There is none, and none can be made yet, `since` then: what it waits for is said as a sentence. It is to be ensured again. */
  | { readonly kind: "blocked"; readonly by: string; readonly since: Date }
  /** It exists; its program has not started. */
  | {
      readonly kind: "pending";
      readonly constructedAt: Date;
      readonly scheduledAt?: Date;
      readonly address?: WorkloadAddress;
      /** As its program was told. */
      readonly fencingToken?: string;
      readonly problem?: StartProblem;
      /** Who has not taken it up, though it is theirs: a sentence for the message, should they never do. */
      readonly waitsFor?: string;
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
      readonly fencingToken?: string;
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
  /** Whether its program listens, by its relay host. Only needed where `needsHost` says so; undefined where that cannot be asked. */
  readonly listens?: boolean;
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
  /** It would have to end, should its program not listen: only its relay host knows. */
  readonly hingesOnHost?: true;
}

export interface DecisionConfig {
  /** How long the record of an ended backend stays readable. */
  readonly retainSeconds: number;
  /** The server is going away and takes its backends with it. */
  readonly draining: boolean;
}

/**
 * Whether a decision waits for what the relay host says. The record is not enough: that a program listens is recorded by the
 * sweeper, which may be away.
 */
export function needsHost({ hingesOnHost }: Decision): boolean {
  return hingesOnHost === true;
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
  const certainAt = backend.spec.stopRequested || config.draining ? undefined : end?.certainAt?.getTime();
  if (certainAt !== undefined && !reaches(now, certainAt)) return { ...nothing, ...requeueAt(certainAt, now) };
  if (end !== undefined) {
    const status = endedPatch(backend, end, reachedTimes(backend, workload));
    return { ...nothing, ...withStatus(status), workload: "remove" };
  }
  if (workload.kind === "absent" || workload.kind === "interrupted") return { ...nothing, workload: "ensure" };
  const living = decideLiving(backend, workload, now);
  const isUnheard = observed.listens === undefined && workload.kind === "running" && isLate(backend, workload, now);
  return isUnheard ? { ...living, hingesOnHost: true } : living;
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
  const status = withFencingToken(reachedPatch(backend, reached, address), workload);
  const deadline = nextDeadline(backend, workload, now);
  const isFound = address !== undefined && reachedPatch(backend, {}, address) === undefined;
  const isSoonReady = isFound && stateOf(backend) !== "Ready";
  const shareMs = status === undefined ? 0 : worthWaitingMs(workload, { now, isSoonReady });
  if (shareMs > 0) return { ...nothing, ...requeueAt(earliest(now.getTime() + shareMs, deadline), now) };
  return { ...nothing, ...withStatus(status), ...requeueAt(deadline, now) };
}

/** It goes along with the next write, and is worth none of its own. */
function withFencingToken(status: StatusPatch | undefined, workload: WorkloadObservation): StatusPatch | undefined {
  const fencingToken = "fencingToken" in workload ? workload.fencingToken : undefined;
  return status === undefined || fencingToken === undefined ? status : { ...status, fencingToken };
}

/** Why a living backend has to end now, if it has. */
function endingOf(
  { backend, workload, listens, lastOutput }: Observed & { backend: Backend },
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
  if (isLate(backend, workload, now)) {
    if (problem !== undefined) return end(problem.reason, problem.message);
    const needed = `${spec.startupTimeoutSeconds} s (startupTimeoutSeconds)`;
    if (workload.kind !== "running") {
      return end(
        "StartupTimeout",
        sentences(`The program was not started within ${needed}.`, waitOf(workload), written),
      );
    }
    if (listens !== false) return undefined;
    const late = `The program did not listen on its port (PORT in its environment) within ${needed}.`;
    const output = lastOutput === undefined ? undefined : describeOutput(lastOutput);
    return end("StartupTimeout", sentences(late, workload.notListening, output));
  }
  return undefined;
}

/** Whether a program that is not known to listen has had its time for it. */
function isLate(backend: Backend, workload: WorkloadObservation, now: Date): boolean {
  return stateOf(backend) !== "Ready" && reaches(now, startupEnd(backend, workload));
}

function waitOf(workload: WorkloadObservation): string | undefined {
  if (workload.kind === "blocked") return workload.by;
  return workload.kind === "pending" ? workload.waitsFor : undefined;
}

function sentences(...given: readonly (string | undefined)[]): string {
  return given.filter((sentence) => sentence !== undefined).join(" ");
}

function isBegun(backend: Backend): boolean {
  return rankOf(stateOf(backend)) >= rankOf("Constructed");
}

function reachedTimes(backend: Backend, workload: WorkloadObservation): ReachedTimes {
  const submitted = { Submitted: new Date(backend.metadata.creationTimestamp) };
  if (workload.kind === "absent" || workload.kind === "blocked" || workload.kind === "stopping") return submitted;
  const { constructedAt, scheduledAt } = workload;
  const runningAt = "runningAt" in workload ? workload.runningAt : undefined;
  return {
    ...submitted,
    ...(constructedAt ? { Constructed: constructedAt } : {}),
    ...(scheduledAt ? { Scheduled: scheduledAt } : {}),
    ...(runningAt ? { Running: runningAt } : {}),
  };
}

/**
 * For how long what was reached is not written yet. A workload that is pending and reachable nowhere may be running in a moment,
 * and a program that runs, whose relay host is watched by whoever says `Ready`, may be ready: then one write says both.
 */
function worthWaitingMs(
  workload: WorkloadObservation,
  { now, isSoonReady }: { now: Date; isSoonReady: boolean },
): number {
  // A clock that is ahead of ours makes nobody wait for longer. Of a Pod times are known to the second: it was up to one later.
  const shareMs = deadlines.sharedWriteMs + 1_000;
  const leftMs = (since: Date) => Math.min(since.getTime() - now.getTime(), 0) + shareMs;
  if (workload.kind === "pending" && workload.address === undefined) {
    return leftMs(workload.scheduledAt ?? workload.constructedAt);
  }
  // Sweepers of 0.1.9, which use a Service, do not come before it is said to run.
  if (workload.kind !== "running" || !isSoonReady || workload.address.service !== undefined) return 0;
  return leftMs(workload.runningAt);
}

function lifetimeEnd(backend: Backend): number | undefined {
  const { lifetimeSeconds } = backend.spec;
  if (lifetimeSeconds === undefined) return undefined;
  return new Date(backend.metadata.creationTimestamp).getTime() + lifetimeSeconds * 1000;
}

/**
 * From when its workload was made, or it was tried to: for how long nobody was there to make it is not its fault. Undefined
 * where there is nothing that could be late.
 */
function startupEnd(backend: Backend, workload: WorkloadObservation): number | undefined {
  const since =
    workload.kind === "blocked" ? workload.since : "constructedAt" in workload ? workload.constructedAt : undefined;
  if (since === undefined) return undefined;
  return since.getTime() + completeSpec(backend.spec).startupTimeoutSeconds * 1000;
}

function nextDeadline(backend: Backend, workload: WorkloadObservation, now: Date): number | undefined {
  const problemEnd = workload.kind === "pending" ? workload.problem?.until?.getTime() : undefined;
  const nextTry = workload.kind === "blocked" ? now.getTime() + deadlines.blockedPollMs : undefined;
  const startEnd = stateOf(backend) === "Ready" ? undefined : startupEnd(backend, workload);
  // It may listen, or nobody knows: that is asked again.
  const nextAsk = reaches(now, startEnd) ? now.getTime() + deadlines.unrecordedReadyPollMs : startEnd;
  return earliest(lifetimeEnd(backend), problemEnd, nextTry, nextAsk);
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
