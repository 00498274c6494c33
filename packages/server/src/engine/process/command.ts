import { SpawnerError } from "../../core/errors.ts";
import type { BackendSpec } from "../../core/resource.ts";
import type { Workload } from "../../core/workload.ts";

/** What is started for a backend. */
export interface Command {
  /** Program and arguments; the program is looked up in the server's PATH, never in that of its own environment. */
  readonly command: readonly string[];
  /** Working directory. */
  readonly cwd: string;
}

/** What the spec has a backend run, as it was when the backend was made; undefined where there is nothing. */
export function commandOf({ command = [], args = [], workingDir = process.cwd() }: Workload): Command | undefined {
  const whole = [...command, ...args];
  return whole.length === 0 ? undefined : { command: whole, cwd: workingDir };
}

/** Throws invalid_request where there is more to run than one program. */
export function refuseSeveralContainers({ template: { containers } }: BackendSpec): void {
  if (containers.length === 1) return;
  throw new SpawnerError(
    "invalid_request",
    `A local engine runs one program a backend: one container is needed, and ${containers.length} were given.`,
  );
}
