import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { BackendView, SpawnRequest, SpawnResponse, StatusMessage } from "@spawner/client";
import { expect, vi } from "vitest";
import { processesWithEnv } from "../../packages/server/src/lib/linux-processes.ts";
import { collect, spawnerCommand } from "./dev.ts";
import { descriptorsOf, recordedIn } from "./held-by-server.ts";

export interface ServedOptions {
  readonly stateDir: string;
  /** What every session runs. */
  readonly command: readonly string[];
  readonly flags?: readonly string[];
  readonly cwd?: string;
  /** What starts the server, and becomes it (by exec). */
  readonly wrapper?: readonly string[];
}

/** Several servers may be starting at once, beside other tests. */
const startMsMax = 60_000;

/** All that a server holds for sessions. */
export interface Remains {
  /** What its descriptors are open on. */
  readonly descriptors: string[];
  /** Pids of what was started for any session of it, ever. */
  readonly processes: number[];
  /** UIDs in the table of workloads. */
  readonly workloads: string[];
  /** UIDs in the table of backends: they and their output are retained for a while. */
  readonly records: string[];
  readonly outputFiles: string[];
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
  const [, url = ""] = await output.waitFor(/"url":"([^"]+)".*"serving"/, startMsMax).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
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
      ...recordedIn(seenStateDir),
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

/** Waits until the server runs nothing, and holds no more descriptors than it did at rest. */
export async function expectAtRest(server: Served, before: Remains): Promise<void> {
  await vi.waitFor(
    () => {
      const { descriptors, processes, workloads } = server.remains();
      expect({ processes, workloads }).toEqual({ processes: [], workloads: [] });
      expect(descriptors.length, descriptors.join(" ")).toBe(before.descriptors.length);
    },
    { timeout: 20_000, interval: 50 },
  );
}

/**
 * Ends the server, and waits until one that retains no records has left nothing in the state folder. While tests look at
 * records these are retained, since how long looking takes is up to the machine.
 */
export async function expectNothingRetained(
  server: Served,
  startNext: (flags: readonly string[]) => Promise<Served>,
): Promise<void> {
  await server.close();
  const next = await startNext(["--retain", "0"]);
  try {
    await vi.waitFor(
      () => expect(next.remains()).toMatchObject({ processes: [], workloads: [], records: [], outputFiles: [] }),
      { timeout: 20_000, interval: 50 },
    );
  } finally {
    await next.close();
  }
}
