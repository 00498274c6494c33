import { isKubeError } from "../../engine/kubernetes/index.ts";

/** One thing that was looked at. */
export interface Finding {
  readonly level: "ok" | "warning" | "wrong";
  readonly subject: string;
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string;
}

/** What was to be read and could not be, in a few words. */
function whyNot(error: unknown): string {
  if (isKubeError(error, "Forbidden")) return "this account may not read it";
  return error instanceof Error ? error.message : String(error);
}

/** Looked at in vain, for want of rights or of an answer: nothing is known. */
export function unknown(subject: string, error: unknown): Finding {
  return {
    level: "warning",
    subject,
    message: `not checked: ${whyNot(error)}`,
    advice: "run it with the kubeconfig of somebody who may read everything in the namespace",
  };
}
