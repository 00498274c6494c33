import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { BackendView, SpawnRequest, SpawnResponse, StatusMessage } from "@spawner/client";
import { processesWithEnv } from "../../packages/server/src/lib/linux-processes.ts";
import { collect, spawnerCommand } from "./dev.ts";

export interface ServedOptions {
  readonly stateDir: string;
  /** What every session runs. */
  readonly command: readonly string[];
  readonly flags?: readonly string[];
  readonly cwd?: string;
  /** What starts the server, and becomes it (by exec). */
  readonly wrapper?: readonly string[];
}

/** All that a server holds for sessions. */
export interface Remains {
  /** What its descriptors are open on. */
  readonly descriptors: string[];
  /** Pids of what was started for any session of it, ever. */
  readonly processes: number[];
  readonly outputFiles: string[];
  /** UIDs in the tables of backends and of workloads. */
  readonly rows: string[];
}

/** `spawner serve` as a process of its own, over a folder that is the caller's. */
export async function startServed({ stateDir, command, flags = [], cwd, wrapper = [] }: ServedOptions) {
  const args = ["serve", "--port", "0", "--allow-anonymous", "--state-dir", stateDir, ...flags, "--", ...command];
  const [program = "", ...rest] = [...wrapper, ...spawnerCommand(args)];
  const child = spawn(program, rest, {
    env: { ...process.env, SERVED_STATE_DIR: stateDir }, // what the sessions run has it too, and is found by it
    stdio: ["ignore", "pipe", "pipe"],
    ...(cwd === undefined ? {} : { cwd }),
  });
  const output = collect(child);
  const exited = once(child, "exit");
  const [, url = ""] = await output.waitFor(/"url":"([^"]+)".*"serving"/);
  const pid = child.pid ?? 0;
  /** The folder as the server sees it, which may have mounts of its own. */
  const seenStateDir = `/proc/${pid}/root${stateDir}`;

  return {
    url,
    pid,
    output,
    seenStateDir,
    ...makeCalls(url),
    remains: (): Remains => ({
      descriptors: descriptorsOf(pid),
      processes: processesWithEnv("SERVED_STATE_DIR", stateDir).filter((other) => other !== pid),
      outputFiles: readdirSync(join(seenStateDir, "output")),
      rows: rowsIn(seenStateDir),
    }),
    /** Ends the server, and kills what its sessions run. Idempotent. */
    async close(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
      child.kill(signal);
      await exited;
    },
    killSessions: () => {
      for (const left of processesWithEnv("SERVED_STATE_DIR", stateDir))
        if (left !== pid) process.kill(left, "SIGKILL");
    },
  };
}

export type Served = Awaited<ReturnType<typeof startServed>>;

function makeCalls(url: string) {
  /** On a connection of its own, which ends with it: what stays open is the server's. */
  const ask = (
    path: string,
    { headers, ...init }: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ) =>
    fetch(`${url}${path}`, {
      ...init,
      headers: { ...headers, connection: "close" },
      signal: AbortSignal.timeout(25_000),
    });
  const askToSpawn = (request: SpawnRequest = {}) =>
    ask("/api/spawn", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
  return {
    ask,
    askToSpawn,
    async spawn(request: SpawnRequest = {}): Promise<string> {
      const response = await askToSpawn(request);
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
      return ((await response.json()) as SpawnResponse).name;
    },
    async view(id: string): Promise<BackendView> {
      return (await (await ask(`/api/backend/${id}`)).json()) as BackendView;
    },
    /** All that a session goes through until it is over. */
    async history(id: string): Promise<StatusMessage[]> {
      const text = await (await ask(`/api/backend/${id}/status/stream`)).text();
      return [...text.matchAll(/^data: (.*)$/gm)].map(([, json = ""]) => JSON.parse(json) as StatusMessage);
    },
  };
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
function rowsIn(stateDir: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), "spawner-rows-"));
  try {
    const path = join(folder, "spawner.db");
    for (const suffix of ["", "-wal"]) copyFileSync(join(stateDir, `spawner.db${suffix}`), `${path}${suffix}`);
    using database = new DatabaseSync(path);
    const rows = database.prepare("SELECT uid FROM backends UNION ALL SELECT uid FROM workloads").all();
    return rows.map(({ uid }) => String(uid));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
