import { accessSync, constants, statSync } from "node:fs";
import { resolve } from "node:path";

/** Of a server without PATH, as execvp(3) has it. */
const defaultPath = "/usr/bin:/bin";

/**
 * The file of a program, as execvp(3) finds it, in the server's own PATH: by that of its environment, a caller would choose the
 * program. Throws ENOENT or EACCES.
 */
export function findProgram(program: string, { cwd, path = defaultPath }: { cwd: string; path?: string | undefined }) {
  if (program === "" || program.includes("/")) return program;
  let code = "ENOENT";
  for (const folder of path.split(":")) {
    const file = resolve(cwd, folder, program);
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) continue;
    if (isExecutable(file)) return file;
    code = "EACCES";
  }
  throw Object.assign(new Error(`spawn ${program} ${code}`), { code });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
