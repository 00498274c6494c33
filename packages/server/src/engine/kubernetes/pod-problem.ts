import type { FailedReason } from "@spawner/client";
import type { StartProblem } from "../../core/decide.ts";
import { sidecarName } from "./pod-names.ts";
import type { ContainerStatus, Pod } from "./pod-object.ts";
import { conditionOf } from "./pod-view.ts";

/** The node's words for what keeps a container from starting. Whatever else it says is a step on the way. */
const reasonOf: Readonly<Record<string, FailedReason>> = {
  ErrImagePull: "ImagePull",
  ImagePullBackOff: "ImagePull",
  ErrImageNeverPull: "ImagePull",
  ImageInspectError: "ImagePull",
  InvalidImageName: "ImagePull",
  RegistryUnavailable: "ImagePull",
  SignatureValidationFailed: "ImagePull",
  CreateContainerConfigError: "StartError",
  CreateContainerError: "StartError",
  PreCreateHookError: "StartError",
  PreStartHookError: "StartError",
  PostStartHookError: "StartError",
  RunContainerError: "StartError",
};

/** These will not go away: the Pod would have to be another one. */
const hopeless = new Set(["InvalidImageName"]);

/** What holds up a Pod's start; `patience` says whether it may go away by itself. */
export interface PodProblem extends Omit<StartProblem, "until"> {
  /** `none`: never. `some`: soon, or else it stays. `all`: whenever there is room. */
  readonly patience: "none" | "some" | "all";
}

export function problemOfPod(pod: Pod): PodProblem | undefined {
  const unscheduled = conditionOf(pod, "PodScheduled", "False");
  if (unscheduled?.message !== undefined) {
    const message = `No node takes the backend's Pod: ${unscheduled.message.replace(/[. ]*$/, "")}.`;
    return { reason: "Unschedulable", message, patience: "all" };
  }
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  for (const status of [...initContainerStatuses, ...containerStatuses]) {
    const problem = problemOfContainer(status);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function problemOfContainer({ name, image, state }: ContainerStatus): PodProblem | undefined {
  const { reason: word = "", message: told } = state?.waiting ?? {};
  const reason = reasonOf[word];
  if (reason === undefined) return undefined;
  const detail = (told ?? word).replace(/^Back-off pulling image "[^"]*": ErrImagePull: /, "").replace(/\.?$/, ".");
  return {
    reason,
    message: `${sentenceOf(reason, { name, image })}: ${detail}`,
    patience: hopeless.has(word) ? "none" : "some",
  };
}

function sentenceOf(reason: FailedReason, { name, image = "" }: { name: string; image: string | undefined }): string {
  const which = name === sidecarName ? "Spawner's own sidecar" : `container ${name}`;
  return reason === "ImagePull"
    ? `The image ${JSON.stringify(image)} of ${which} cannot be pulled`
    : `The program of ${which} cannot be started`;
}
