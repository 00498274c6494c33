import { constants } from "node:os";
import type { EndReason } from "@spawner/client";
import type { WorkloadEnd } from "../../core/decide.ts";
import { describeOutput, messageBytesMax, messageLinesMax } from "../../core/describe-output.ts";
import { lastLines } from "../../lib/last-lines.ts";
import type { Pod, Terminated } from "./pod-object.ts";
import { applicationOf, applicationStatusOf, conditionOf } from "./pod-view.ts";

/** How a Pod's program ended. */
export interface PodEnd extends WorkloadEnd {
  /** What it wrote last is not in the message: the node says it of failures only. */
  readonly lacksOutput?: boolean;
}

/** The kubelet's and the control plane's words for a Pod that was ended as a whole. */
const reasonOfPod: Readonly<Record<string, EndReason>> = {
  Evicted: "Evicted",
  // The node shuts down, in an orderly way.
  Terminated: "Evicted",
  NodeShutdown: "Evicted",
  Preempting: "Evicted",
  NodeLost: "NodeLost",
  // spec.template.activeDeadlineSeconds
  DeadlineExceeded: "LifetimeExceeded",
};

/** https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions */
const reasonOfDisruption: Readonly<Record<string, EndReason>> = { DeletionByPodGC: "NodeLost" };

/** How the Pod's program ended, or why it never will begin; undefined while neither is so. */
export function endOfPod(pod: Pod, now: Date): PodEnd | undefined {
  return (
    endOfDisruption(pod, now) ?? (isBeingDeleted(pod) ? undefined : (endOfWholePod(pod, now) ?? endOfProgram(pod, now)))
  );
}

/** Nobody can know whether it still runs. */
export function endOfLostPod({ spec }: Pod, at: Date): PodEnd {
  const node = JSON.stringify(spec.nodeName ?? "");
  const message = `Neither the node ${node} nor the backend itself has been heard of. It may go on until its node is back, or ended.`;
  return { reason: "NodeLost", message, at };
}

/** Somebody may well have deleted it by hand: how its program takes that is not its end. */
function isBeingDeleted({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** The control plane or the node makes room, or the node is gone. */
function endOfDisruption(pod: Pod, now: Date): PodEnd | undefined {
  const disruption = conditionOf(pod, "DisruptionTarget", "True");
  if (disruption === undefined || !(isBeingDeleted(pod) || pod.status?.phase === "Failed")) return undefined;
  const at = timeIn(disruption.lastTransitionTime) ?? now;
  const reason = reasonOfDisruption[disruption.reason ?? ""] ?? "Evicted";
  const told = pod.status?.message ?? disruption.message ?? disruption.reason ?? "";
  const what = reason === "NodeLost" ? "The node of the backend is gone" : "The backend's Pod was evicted";
  return { reason, message: `${what}: ${sentence(told)}`, at };
}

/** The Pod was ended, or refused by its node, whatever its containers do. */
function endOfWholePod({ status = {} }: Pod, now: Date): PodEnd | undefined {
  const { phase, reason, message = "" } = status;
  if (phase !== "Failed" || reason === undefined) return undefined;
  const known = reasonOfPod[reason];
  if (known === "LifetimeExceeded") {
    return { reason: known, message: "The backend's Pod reached its activeDeadlineSeconds.", at: now };
  }
  if (known !== undefined) {
    return { reason: known, message: `The backend's Pod was ended (${reason}): ${sentence(message)}`, at: now };
  }
  return {
    reason: "Rejected",
    message: `The node refused the backend's Pod (${reason}): ${sentence(message)}`,
    at: now,
  };
}

function endOfProgram(pod: Pod, now: Date): PodEnd | undefined {
  const terminated = applicationStatusOf(pod)?.state?.terminated;
  if (terminated !== undefined) return endOfApplication(pod, terminated, now);
  const initial = pod.status?.initContainerStatuses?.find(
    ({ state }) => state?.terminated && state.terminated.exitCode !== 0,
  );
  const { phase, message } = pod.status ?? {};
  if (initial?.state?.terminated !== undefined && conditionOf(pod, "Ready", "False")?.reason === "PodFailed") {
    const { exitCode, finishedAt } = initial.state.terminated;
    const output = describeOutput(lastLinesOf(initial.state.terminated.message));
    const what = `The init container ${initial.name} exited with ${describeCode(exitCode)}.`;
    return { reason: "StartError", message: `${what} ${output}`, at: timeIn(finishedAt) ?? now };
  }
  if (phase !== "Failed") return undefined;
  return { reason: "Crashed", message: `The backend's Pod failed (unknown why). ${message ?? ""}`.trimEnd(), at: now };
}

function endOfApplication(pod: Pod, { exitCode, reason, message, finishedAt }: Terminated, now: Date): PodEnd {
  const at = timeIn(finishedAt) ?? now;
  switch (reason) {
    case "StartError":
    case "ContainerCannotRun":
      return { reason: "StartError", message: `The program could not be started: ${causeOf(message)}`, at };
    case "ContainerStatusUnknown":
      return { reason: "Crashed", message: `The program ended while its node was not heard of (unknown why).`, at };
    case "OOMKilled":
      return { reason: "OutOfMemory", ...withOutput(describeOutOfMemory(pod), message), at };
    default: {
      const what = `The program exited with ${describeCode(exitCode)}.`;
      return { reason: exitCode === 0 ? "Exited" : "Crashed", ...withOutput(what, message), at };
    }
  }
}

function withOutput(what: string, output: string | undefined): { message: string; lacksOutput?: boolean } {
  if (!output) return { message: what, lacksOutput: true };
  return { message: `${what} ${describeOutput(lastLinesOf(output))}` };
}

function describeOutOfMemory(pod: Pod): string {
  const limit = applicationOf(pod)?.resources?.limits?.memory;
  if (limit === undefined) return "The program was killed since its node had no memory left.";
  return `The program was killed since it used more memory than its limit of ${limit} (resources.limits.memory of its container).`;
}

/** A shell, and the node, say by 128 and more that a signal ended a program. */
function describeCode(code: number): string {
  const signal = Object.entries(constants.signals).find(([, number]) => code === 128 + number)?.[0];
  return signal === undefined ? `code ${code}` : `code ${code} (${signal})`;
}

/** The end of what the container runtime tells, which begins with how it came to know. */
function causeOf(message = ""): string {
  const cause = message.split("unable to start container process: ").at(-1) ?? message;
  return sentence(cause.replace(/^error during container init: /, ""));
}

function lastLinesOf(output = ""): string {
  return lastLines(Buffer.from(output).subarray(-messageBytesMax), messageLinesMax).toString("utf8");
}

function sentence(text: string): string {
  return text === "" ? "it says nothing more." : text.trimEnd().replace(/\.?$/, ".");
}

function timeIn(time: string | null | undefined): Date | undefined {
  const ms = Date.parse(time ?? "");
  return Number.isNaN(ms) || ms === 0 ? undefined : new Date(ms);
}
