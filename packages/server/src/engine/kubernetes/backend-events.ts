import { apiVersion, type Backend, kind } from "../../core/resource.ts";
import { isEndState, type RecordedState, recordedStates } from "../../core/states.ts";
import { type RecordedStatus, recordedHistory } from "../../core/status.ts";
import { wholeStart } from "../../lib/utf8.ts";
import type { WorkloadIdentity } from "../engine.ts";

/** Who says it, as 0.1.9 named itself. */
const reporter = "spawner.dev/sessionlivedbackend";

const sentences: Readonly<Record<RecordedState, string>> = {
  Submitted: "The backend was accepted.",
  Constructed: "Its Pod was made.",
  Scheduled: "Its Pod has a node.",
  Running: "Its program was started.",
  Ready: "Its program listens.",
  Swept: "It was ended.",
  Failed: "It failed.",
};

/** The states that an Event is to be written of: for people the end, which says why; for the API of 0.1.9 each that 0.1.9 knew. */
export function announcedStates(backend: Backend, { compat }: { compat: boolean }): RecordedStatus[] {
  const history = recordedHistory(backend);
  return compat
    ? history.filter(({ state }) => state !== "Submitted")
    : history.filter(({ state }) => isEndState(state));
}

/**
 * One state of a backend as an Event, whose name is the same whoever writes it and however often. 0.1.9 reads what it is about,
 * `action` and `eventTime`. https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */
export function buildEvent({ metadata }: Backend, status: RecordedStatus, { namespace }: { namespace: string }) {
  const { name, uid, resourceVersion } = metadata;
  const { state, time, reason = state, message = sentences[state] } = status;
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `${name}.${uid}.${state.toLowerCase()}`, namespace },
    involvedObject: { apiVersion, kind, name, namespace, uid, resourceVersion },
    action: state,
    reason,
    message: wholeStart(message, messageBytesMax),
    type: state === "Failed" ? "Warning" : "Normal",
    eventTime: microTime(time, recordedStates.indexOf(state)),
    reportingComponent: reporter,
    reportingInstance: name,
  };
}

/**
 * That a backend has no Service, and what to do about it, as an Event of its Pod, once a backend: what 0.1.9 reads of the
 * backend's own Events are its states.
 */
export function buildNoServiceEvent(
  { name, uid, podUid }: WorkloadIdentity & { podUid: string },
  { message, now, namespace }: { message: string; now: Date; namespace: string },
) {
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `${name}.${uid}.no-service`, namespace },
    involvedObject: { apiVersion: "v1", kind: "Pod", name, namespace, uid: podUid },
    action: "CreateService",
    reason: "NoService",
    message: wholeStart(message, messageBytesMax),
    type: "Warning",
    eventTime: microTime(now.toISOString(), 0),
    reportingComponent: reporter,
    reportingInstance: name,
  };
}

/** The API server takes no longer ones. */
const messageBytesMax = 1_024;

/**
 * RFC 3339 with six digits of a second, as a MicroTime needs. The last of them keep the order of states that are known to the
 * second or to the millisecond: 0.1.9 tells the latest by its time.
 */
function microTime(time: string, rank: number): string {
  return new Date(time).toISOString().replace("Z", `${String(rank).padStart(3, "0")}Z`);
}
