import { type BackendState, backendStates, type EndReason, type FailedReason, failedReasons } from "@spawner/client";

/** The states that a record has, in order: `Stopping` is told of one that was asked to end, and is in its spec. */
export const recordedStates = ["Submitted", "Constructed", "Scheduled", "Running", "Ready", "Swept", "Failed"] as const;
export type RecordedState = (typeof recordedStates)[number];

/** The states that a backend passes on its way, in order, before it ends. */
export const livingStates = ["Submitted", "Constructed", "Scheduled", "Running", "Ready"] as const;
export type LivingState = (typeof livingStates)[number];
export type EndState = Exclude<RecordedState, LivingState>;

/** Position in a life; `Swept` and `Failed` come after all others. */
export function rankOf(state: BackendState): number {
  return backendStates.indexOf(state);
}

export function isEndState(state: BackendState): state is EndState {
  return state === "Swept" || state === "Failed";
}

/** `Swept` or `Failed`: every reason belongs to exactly one of them. */
export function endStateOf(reason: EndReason): EndState {
  return failedReasons.includes(reason as FailedReason) ? "Failed" : "Swept";
}
