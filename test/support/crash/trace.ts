import { readFileSync } from "node:fs";
import type { Backend } from "../../../packages/server/src/core/resource.ts";
import type { WorkloadRecord } from "../../../packages/server/src/engine/process/workload-table.ts";

/** Names of the variables by which a server that is to be killed is told where, and where to write what it does. */
export const crashVariables = { stateDir: "CRASH_STATE_DIR", trace: "CRASH_TRACE", at: "CRASH_AT" } as const;

/** Right before or right after an action. */
export type Moment = "before" | "after";

/** Where to die: at the `number`-th action of the server, counted from 1. */
export interface CrashPoint {
  readonly number: number;
  readonly moment: Moment;
}

/** One line of a server's trace: an action that it begins, or what it has stored for good. */
export type TraceLine =
  | { readonly kind: "action"; readonly number: number; readonly name: string }
  | { readonly kind: "backend stored"; readonly backend: Backend }
  | { readonly kind: "backend deleted"; readonly name: string }
  | { readonly kind: "workload stored"; readonly workload: WorkloadRecord }
  | { readonly kind: "workload removed"; readonly uid: string };

export function formatCrashPoint({ number, moment }: CrashPoint): string {
  return `${number}:${moment}`;
}

export function parseCrashPoint(text: string): CrashPoint {
  const [number, moment] = text.split(":");
  return { number: Number(number), moment: moment === "before" ? "before" : "after" };
}

/** Empty where the server died before its first action. */
export function readTrace(path: string): TraceLine[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  const whole = text.slice(0, text.lastIndexOf("\n") + 1); // it may be in the midst of writing
  return whole
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as TraceLine);
}
