import { copyFileSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** What each open descriptor of a process leads to (Linux). */
export function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${name}`)];
    } catch {
      return []; // closed in between
    }
  });
}

/** The UIDs of what a server's database records. The server holds it alone: a copy of it is asked. */
export function recordedIn(stateDir: string): { workloads: string[]; records: string[] } {
  const folder = mkdtempSync(join(tmpdir(), "spawner-rows-"));
  try {
    const path = join(folder, "spawner.db");
    for (const suffix of ["", "-wal"]) copyFileSync(join(stateDir, `spawner.db${suffix}`), `${path}${suffix}`);
    using database = new DatabaseSync(path);
    const uidsIn = (table: string) =>
      database
        .prepare(`SELECT uid FROM ${table}`)
        .all()
        .map(({ uid }) => String(uid));
    return { workloads: uidsIn("workloads"), records: uidsIn("backends") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
