import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../lib/clock.ts";
import { isSameProcess } from "../../lib/linux-processes.ts";
import { databaseName } from "./database.ts";
import { WorkloadTable } from "./workload-table.ts";

/**
 * The pids of the programs of a state folder that nobody owns; "in use" where somebody does, or where it cannot be read. Changes
 * nothing.
 */
export function livingPrograms(stateDir: string): number[] | "in use" {
  const path = join(stateDir, databaseName);
  if (!existsSync(path)) return [];
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    const workloads = new WorkloadTable(database, systemClock);
    return workloads
      .all()
      .flatMap(({ process }) => (process !== undefined && isSameProcess(process) ? [process.pid] : []));
  } catch {
    return "in use"; // locked by its owner, or not a database: not for us
  } finally {
    database?.close();
  }
}
