import { markedProcesses } from "../../lib/linux-processes.ts";
import type { WorkloadIdentity } from "../engine.ts";
import { outputFileName } from "./output-files.ts";

/**
 * The live processes that were started for a workload, in its process group or out of it: those with its identity in their
 * environment, and those that write to its output file, where a program has cleared or overwritten its environment.
 */
export function processesOf({ name, uid }: WorkloadIdentity): number[] {
  return markedProcesses({
    env: { name: "SPAWNER_BACKEND", value: `${name}/${uid}` },
    outputFile: outputFileName(uid),
  });
}
