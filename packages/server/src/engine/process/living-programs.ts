import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../lib/clock.ts";
import { databaseName } from "./database.ts";
import { processesOf } from "./own-processes.ts";
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
    // Looked for by what marks them: a server may have been killed before it recorded a pid.
    return new WorkloadTable(database, systemClock).all().flatMap(processesOf);
  } catch {
    return "in use"; // locked by its owner, or not a database: not for us
  } finally {
    database?.close();
  }
}
