import type { FailedReason } from "@spawner/client";
import type { KubeError } from "./kube-client.ts";

/** That the API server will not have a Pod, whoever asks and however often. */
export interface PodRefusal {
  readonly reason: FailedReason;
  readonly message: string;
}

/** Undefined where the refusal is not the backend's fault, and may be over later: it is to be tried again. */
export function refusalOf({ status, message }: KubeError): PodRefusal | undefined {
  const policy = /^admission webhook |ValidatingAdmissionPolicy /.test(message);
  switch (status) {
    case 400:
    case 413:
    case 422: {
      if (policy) return rejected(message);
      return { reason: "InvalidSpec", message: `The API server does not take the backend's Pod: ${message}` };
    }
    case 403:
      // Our own account's rights, not what is asked for with them.
      return /cannot create resource "pods"/.test(message) ? undefined : rejected(message);
    default:
      return policy ? rejected(message) : undefined;
  }
}

function rejected(message: string): PodRefusal {
  return { reason: "Rejected", message: `The cluster refuses the backend's Pod: ${message}` };
}

/** Somebody else's Pod has the name that the backend's would have. It is not touched. */
export function refusalOfForeignPod({ name, namespace }: { name: string; namespace: string }): PodRefusal {
  const there = `There is a Pod ${JSON.stringify(name)} in namespace ${JSON.stringify(namespace)} that is not the backend's own`;
  return {
    reason: "Rejected",
    message: `${there}, and the backend's Pod has to have that name. Choose another name, or delete it.`,
  };
}
