import type { Backend, BackendStatus } from "../../../../packages/server/src/core/resource.ts";
import { hasEnded, statusHistory } from "../../../../packages/server/src/core/status.ts";
import { eventually } from "../eventually.ts";
import type { Recorder } from "./recorder.ts";

/** How a life ended: all of it is to be the same with and without faults. What may differ are times, names, UIDs and addresses. */
export interface EndState {
  readonly isSpecAsGiven: boolean;
  readonly flags: Readonly<Record<string, unknown>>;
  readonly transitions: readonly string[];
  readonly reason: string | undefined;
  readonly message: string | undefined;
  readonly condition: Readonly<Record<string, string | undefined>>;
  /** Where it never was ready, its program may have ended before anybody saw where it ran. */
  readonly hadAddressIfReady: boolean;
  readonly isForgotten: boolean;
  readonly podsLeft: number;
  readonly events: readonly string[];
}

/**
 * Of a life that is over: only the Event of its end may still be on its way, for as long as a controller takes to follow one
 * that was killed.
 */
export async function readEndState(recorder: Recorder): Promise<EndState> {
  const { last } = recorder;
  if (last === undefined) throw new Error("there never was a record");
  const { submitted, constructed, scheduled, running, ready, swept, failed, phase, reason, message } = last.status;
  const [condition, ...others] = last.status.conditions ?? [];
  if (others.length > 0) throw new Error("there are several conditions");
  const { type, status, reason: why, message: said } = condition ?? {};
  const events = await eventually(async () => {
    const found = await recorder.events();
    if (found.length === 0) throw new Error("no Event tells of its end");
    return found;
  });
  return {
    isSpecAsGiven: recorder.versions.every(({ spec }) => isSameSpec(spec, recorder.versions[0]?.spec)),
    flags: { submitted, constructed, scheduled, running, ready, swept, failed, phase },
    transitions: statusHistory(last).map(({ state }) => state),
    reason,
    message,
    condition: { type, status, reason: why, message: said },
    hadAddressIfReady: ready !== true || (last.status.podIP !== undefined && last.status.nodeName !== undefined),
    isForgotten: recorder.isForgotten,
    podsLeft: [...recorder.pods.values()].filter((isGone) => !isGone).length,
    events: events.map((event) => `${event.type} ${event.reason}`).toSorted(),
  };
}

/** Only a client writes to the spec, and only that it is to end. */
function isSameSpec({ stopRequested: _, ...spec }: Backend["spec"], given: Backend["spec"] | undefined): boolean {
  return JSON.stringify(spec) === JSON.stringify(given);
}

/** What must not be in any life: a generation only goes forward. Flags stay, times stay and are in order, nothing follows the end. */
export function faultsOf({ versions }: Pick<Recorder, "versions">): string[] {
  const faults: string[] = [];
  const generations = new Set(versions.map(({ metadata }) => metadata.uid)).size;
  if (generations !== 1) faults.push(`${generations} generations`);
  for (const [index, version] of versions.entries()) {
    const before = versions[index - 1];
    if (before !== undefined) faults.push(...faultsOfStep(before, version));
  }
  const last = versions.at(-1);
  const times = last === undefined ? [] : statusHistory(last).map(({ time }) => time);
  if (times.join() !== times.toSorted().join()) faults.push(`states are not in the order of their times: ${times}`);
  if (last !== undefined && !hasEnded(last)) faults.push("the record has no end");
  return faults;
}

function faultsOfStep(before: Backend, { metadata, status }: Backend): string[] {
  const faults: string[] = [];
  const version = `version ${metadata.resourceVersion}`;
  if (hasEnded(before) && JSON.stringify(status) !== JSON.stringify(before.status)) {
    faults.push(`${version} changed the status after the end: ${JSON.stringify(status)}`);
  }
  for (const [state, { time }] of Object.entries(before.status.transitions ?? {})) {
    const now = status.transitions?.[state]?.time;
    if (now !== time) faults.push(`${state} was at ${time}, and in ${version} at ${now}`);
  }
  for (const [flag, value] of Object.entries(before.status)) {
    if (value === true && status[flag as keyof BackendStatus] !== true) faults.push(`${version} took back ${flag}`);
  }
  const rank = (phase: string | undefined) => phases.indexOf(phase ?? "Submitted");
  if (rank(status.phase) < rank(before.status.phase)) {
    faults.push(`${version} took the phase from ${before.status.phase} back to ${status.phase}`);
  }
  return faults;
}

const phases = ["Submitted", "Constructed", "Scheduled", "Running", "Ready", "Swept", "Failed"];
