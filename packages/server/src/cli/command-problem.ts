import { accessSync, constants, statSync } from "node:fs";
import { delimiter, resolve } from "node:path";

/** What will keep a command from being started, as far as can be said now; undefined where nothing is seen. */
export function commandProblem([program = ""]: readonly string[], path = process.env.PATH ?? ""): string | undefined {
  const isPath = program.includes("/");
  const candidates = isPath ? [program] : path.split(delimiter).map((folder) => resolve(folder || ".", program));
  if (program !== "" && candidates.some(isExecutable)) return undefined;
  const where = isPath ? "there is no such program" : "it is not in PATH";
  return `${JSON.stringify(program)} cannot be started: ${where}. Sessions will fail until it can.`;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false; // not there, or not for us
  }
}
