import type { ChildProcess } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** What a server holds at one moment (Linux). */
export interface Remains {
  readonly descriptors: number;
  readonly sockets: number;
  readonly processes: number;
  readonly outputFiles: number;
  readonly databaseRows: number;
  readonly privateMB: number;
  readonly residentMB: number;
}

export function remainsOf({ pid = 0 }: ChildProcess, stateDir: string): Remains {
  const links = descriptorsOf(pid);
  return {
    descriptors: links.length,
    sockets: links.filter((link) => link.startsWith("socket:")).length,
    processes: childrenOf(pid).length,
    outputFiles: readdirSync(join(stateDir, "output")).length,
    databaseRows: rowsIn(stateDir),
    privateMB: Math.round(megabytesOf(pid, "Private_Clean", "Private_Dirty")),
    residentMB: Math.round(megabytesOf(pid, "Rss")),
  };
}

/** By proc_pid_children(5). */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
}

/** The sum of some fields of /proc/<pid>/smaps_rollup. */
export function megabytesOf(pid: number, ...fields: string[]): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kilobytes = fields.map((field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0));
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1024;
}

function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${name}`)];
    } catch {
      return []; // closed in between
    }
  });
}

/** The server holds its database alone: a copy of it is asked. */
function rowsIn(stateDir: string): number {
  const folder = mkdtempSync(join(tmpdir(), "spawner-rows-"));
  try {
    const path = join(folder, "spawner.db");
    for (const suffix of ["", "-wal"]) copyFileSync(join(stateDir, `spawner.db${suffix}`), `${path}${suffix}`);
    using database = new DatabaseSync(path);
    const count = "SELECT (SELECT count(*) FROM backends) + (SELECT count(*) FROM workloads) AS count";
    return (database.prepare(count).get() as { count: number }).count;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
