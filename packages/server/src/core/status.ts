import type { EndReason, StatusMessage } from "@spawner/client";
import { addressFields, isAddressWritten, type WorkloadAddress } from "./address.ts";
import { type Backend, type BackendSpec, type BackendStatus, completeSpec } from "./resource.ts";
import { mergeRevocations, type RevocationsPatch } from "./revocation-patch.ts";
import {
  type EndState,
  endStateOf,
  isEndState,
  type LivingState,
  livingStates,
  type RecordedState,
  rankOf,
} from "./states.ts";

/** A narrow merge patch (RFC 7396) of `status`: only what changes. */
export type StatusPatch = Omit<Partial<BackendStatus>, "revocations"> & { readonly revocations?: RevocationsPatch };

const flagOf = {
  Submitted: "submitted",
  Constructed: "constructed",
  Scheduled: "scheduled",
  Running: "running",
  Ready: "ready",
  Swept: "swept",
  Failed: "failed",
} as const satisfies Record<RecordedState, keyof BackendStatus>;

/** The latest state of a backend that is recorded. One without any status was submitted. */
export function stateOf(backend: Backend): RecordedState {
  const { status } = backend;
  if (status.failed) return "Failed";
  if (status.swept) return "Swept";
  return livingStates.findLast((state) => status[flagOf[state]]) ?? "Submitted";
}

export function hasEnded(backend: Backend): boolean {
  return isEndState(stateOf(backend));
}

/** When a state was reached, as RFC 3339, if it was and its time is known. */
function timeOf(backend: Backend, state: RecordedState): string | undefined {
  const known = backend.status.transitions?.[state]?.time;
  return known ?? (state === "Submitted" ? backend.metadata.creationTimestamp : undefined);
}

/** When a state was reached, where that is known. */
export function reachedAt(backend: Backend, state: RecordedState): Date | undefined {
  const time = timeOf(backend, state);
  return time === undefined ? undefined : new Date(time);
}

/** When the backend ended; undefined while it lives. */
export function endedAt(backend: Backend): Date | undefined {
  return hasEnded(backend) ? reachedAt(backend, stateOf(backend)) : undefined;
}

/** When a backend that lives, or has lived, was to end: it was asked to, or its lifetime was over. */
export function stoppingSince({ metadata, spec, status }: Backend): Date | undefined {
  const { stopRequested, stopRequestedAt = "", lifetimeSeconds } = spec;
  const askedAt = new Date(stopRequested ? stopRequestedAt : ""); // a time alone asks for nothing
  if (!Number.isNaN(askedAt.getTime())) return askedAt; // where it is none, a person has written something else
  if (status.reason !== "LifetimeExceeded" || lifetimeSeconds === undefined) return undefined;
  return new Date(Date.parse(metadata.creationTimestamp) + lifetimeSeconds * 1000);
}

/** A state as it is recorded: each but `Stopping`, which 0.1.9 did not know. */
export interface RecordedStatus extends StatusMessage {
  readonly state: RecordedState;
}

/** The latest state that is recorded. */
export function recordedStatus(backend: Backend): RecordedStatus {
  return messageOf(backend, stateOf(backend));
}

/** Every state that is recorded and whose time is known, oldest first. */
export function recordedHistory(backend: Backend): RecordedStatus[] {
  const state = stateOf(backend);
  const passed = livingStates.filter((living) => timeOf(backend, living) !== undefined);
  return (isEndState(state) ? [...passed, state] : passed).map((each) => messageOf(backend, each));
}

/** The present state as clients see it. */
export function statusMessage(backend: Backend): StatusMessage {
  const latest = statusHistory(backend).at(-1);
  return latest?.state === "Stopping" ? latest : recordedStatus(backend);
}

/** Every state reached whose time is known, oldest first, as clients see them. */
export function statusHistory(backend: Backend): StatusMessage[] {
  const history = recordedHistory(backend);
  const since = stoppingSince(backend);
  if (since === undefined) return history;
  const living = history.filter(({ state }) => !isEndState(state));
  // What was on its way then may have been reached a moment later, and is told before it.
  const toldMs = Math.max(since.getTime(), ...living.map(({ time }) => Date.parse(time)));
  const stopping: StatusMessage = { state: "Stopping", time: new Date(toldMs).toISOString() };
  return [...living, stopping, ...history.slice(living.length)];
}

function messageOf(backend: Backend, state: RecordedState): RecordedStatus {
  const { reason, message } = backend.status;
  return {
    state,
    time: timeOf(backend, state) ?? backend.metadata.creationTimestamp,
    ...(isEndState(state) && reason !== undefined ? { reason } : {}),
    ...(isEndState(state) && message !== undefined ? { message } : {}),
  };
}

/**
 * What is missing of a state that 0.1.9's sweeper wrote, which sets the flag alone: `Ready` without a time. Empty where
 * nothing is.
 */
export function unrecordedReady({ status }: Backend, now: Date): ReachedTimes {
  return status.ready && !status.transitions?.Ready ? { Ready: now } : {};
}

/**
 * The patch that adds to an end which 0.1.9 wrote, a flag alone, what ours have: reason, message and time. `seen` is how the
 * program was seen to have ended, if it was. Undefined where there is nothing to add.
 */
export function explainedEndPatch(
  backend: Backend,
  at: Date,
  seen?: { readonly reason: EndReason; readonly message: string },
): StatusPatch | undefined {
  const state = stateOf(backend);
  if (!isEndState(state) || timeOf(backend, state) !== undefined) return undefined;
  const isSeen = seen !== undefined && endStateOf(seen.reason) === state;
  const { reason, message } = { ...(isSeen ? seen : presumedEnd(backend, state)), ...givenEnd(backend, state) };
  const time = iso(at);
  return {
    ...flagsUpTo(backend, state === "Swept" ? "Ready" : "Submitted"),
    phase: state,
    reason,
    message,
    transitions: { [state]: { time } },
    conditions: [readyCondition("False", reason, message, time)],
  };
}

/** What is said of a backend that another one has to take the place of. */
export const supersededMessage = "Its key was asked for with another spec.";

/** What whoever wrote the flag said of it beside. */
function givenEnd({ status: { reason, message } }: Backend, state: EndState): { reason?: EndReason; message?: string } {
  return {
    ...(reason !== undefined && endStateOf(reason) === state ? { reason } : {}),
    ...(message ? { message } : {}),
  };
}

/** 0.1.9 swept what it found idle, and called failed what ended with an error. */
function presumedEnd({ spec }: Backend, state: EndState): { reason: EndReason; message: string } {
  return state === "Swept"
    ? { reason: "Idle", message: idleMessage(spec) }
    : { reason: "Crashed", message: "The program ended with an error." };
}

/** What is said of a backend that was swept as idle. */
export function idleMessage(spec: BackendSpec, { awaitsFirstClient = false } = {}): string {
  const { gracePeriodSeconds, firstClientSeconds, silentConnectionSeconds } = completeSpec(spec);
  if (awaitsFirstClient && firstClientSeconds > gracePeriodSeconds) {
    return `Nobody came within ${firstClientSeconds} s (firstClientSeconds).`;
  }
  const silent = silentConnectionSeconds > 0 ? ", silent connections apart (silentConnectionSeconds)" : "";
  return `Nobody was connected for ${gracePeriodSeconds} s (gracePeriodSeconds)${silent}.`;
}

/** Times at which living states were reached. */
export type ReachedTimes = Partial<Record<LivingState, Date>>;

/**
 * The patch that records living states. States already recorded keep their time; a later state implies the flags of
 * those before it. Undefined where there is nothing new.
 */
export function reachedPatch(
  backend: Backend,
  reached: ReachedTimes,
  address?: WorkloadAddress,
): StatusPatch | undefined {
  const fresh = livingStates.filter((state) => reached[state] && !backend.status.transitions?.[state]);
  const moved = address !== undefined && !isAddressWritten(address, backend);
  if (hasEnded(backend) || (fresh.length === 0 && !moved)) return undefined;
  const before = stateOf(backend);
  const latest = fresh.reduce<RecordedState>((last, state) => (rankOf(state) > rankOf(last) ? state : last), before);
  return {
    ...flagsUpTo(backend, latest),
    phase: latest,
    ...(fresh.length > 0
      ? { transitions: Object.fromEntries(fresh.map((state) => [state, { time: iso(reached[state]) }])) }
      : {}),
    ...(latest === "Ready" && fresh.includes("Ready")
      ? { conditions: [readyCondition("True", "Listening", "The program listens.", iso(reached.Ready))] }
      : {}),
    ...(moved ? addressFields(address) : {}),
  };
}

/**
 * The patch that ends a backend, and records what it had `reached` before. A backend ends once: undefined where it has.
 */
export function endedPatch(
  backend: Backend,
  end: { reason: EndReason; message: string; at: Date },
  reached: ReachedTimes = {},
): StatusPatch | undefined {
  if (hasEnded(backend)) return undefined;
  const state = endStateOf(end.reason);
  const time = iso(end.at);
  const before = reachedPatch(backend, { Submitted: new Date(backend.metadata.creationTimestamp), ...reached });
  return {
    ...before,
    [flagOf[state]]: true,
    phase: state,
    reason: end.reason,
    message: end.message,
    transitions: { ...before?.transitions, [state]: { time } },
    conditions: [readyCondition("False", end.reason, end.message, time)],
  };
}

/**
 * The patch that says of a living backend that it was not ended at `at`, though that was begun: the backend has another
 * version then, and a late write that was meant for the one before fails. Undefined where it has ended.
 */
export function stayedPatch(backend: Backend, at: Date): StatusPatch | undefined {
  if (hasEnded(backend)) return undefined;
  const message = `The program listens. It was not ended as idle at ${iso(at)}, since that could not be recorded in time.`;
  return { conditions: [readyCondition("True", "Listening", message, timeOf(backend, "Ready") ?? iso(at))] };
}

function flagsUpTo(backend: Backend, latest: RecordedState): StatusPatch {
  const missing = livingStates.filter((state) => rankOf(state) <= rankOf(latest) && !backend.status[flagOf[state]]);
  return Object.fromEntries(missing.map((state) => [flagOf[state], true]));
}

function readyCondition(status: "True" | "False", reason: string, message: string, lastTransitionTime: string) {
  return { type: "Ready", status, reason, message, lastTransitionTime };
}

function iso(time: Date | undefined): string {
  if (time === undefined) throw new Error("a reached state has a time");
  return time.toISOString();
}

/** RFC 7396 on a status, for stores that apply patches themselves: maps merge one level deep, all else is replaced. */
export function applyStatusPatch(status: BackendStatus, patch: StatusPatch): BackendStatus {
  const { revocations, ...rest } = patch;
  return {
    ...status,
    ...rest,
    ...(patch.transitions ? { transitions: { ...status.transitions, ...patch.transitions } } : {}),
    ...(revocations ? { revocations: mergeRevocations(status.revocations, revocations) } : {}),
  };
}
