import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { livingPrograms } from "../engine/process/index.ts";
import { type DevStateDir, devStateDirs } from "./state-dir.ts";

/**
 * Says of programs that run on without their `spawner dev`, which was killed, and will not be found by this one. Only who has
 * started them knows whether they may be ended.
 */
export function abandonedPrograms(ownStateDir: string): string[] {
  return devStateDirs()
    .filter(({ path }) => resolve(path) !== resolve(ownStateDir))
    .flatMap((dir) => describe(dir, livingPrograms(dir.path)));
}

function describe({ path, port }: DevStateDir, pids: number[] | "in use"): string[] {
  if (pids === "in use") return [];
  if (pids.length > 0) {
    const goOn = port === undefined ? "" : ` To go on with them: --port ${port}.`;
    return [`Programs of a "spawner dev" that was killed still run.${goOn} To end them: kill ${pids.join(" ")}`];
  }
  if (port === undefined) rmSync(path, { recursive: true, force: true });
  return [];
}
