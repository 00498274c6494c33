import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { descriptorsOf, recordedIn } from "../../test/support/held-by-server.ts";

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
  const { workloads, records } = recordedIn(stateDir);
  return {
    descriptors: links.length,
    sockets: links.filter((link) => link.startsWith("socket:")).length,
    processes: childrenOf(pid).length,
    outputFiles: readdirSync(join(stateDir, "output")).length,
    databaseRows: workloads.length + records.length,
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
