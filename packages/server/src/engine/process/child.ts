import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Clock } from "../../lib/clock.ts";
import { pause } from "../../lib/pause.ts";
import type { WorkloadIdentity } from "../engine.ts";
import type { Command } from "./command.ts";
import { findProgram } from "./find-program.ts";
import { processesOf } from "./own-processes.ts";

/** How long what was killed may take to go, and how often to look. */
const goneWithinMs = 5_000;
const goneEveryMs = 5;

export interface ChildOptions {
  command: Command;
  env: Readonly<Record<string, string>>;
  /** Descriptor that gets stdout and stderr. */
  output: number;
}

/**
 * Starts the program as the leader of its own process group, so that all it starts can be ended with it. Resolves when it
 * runs; rejects when it cannot be started.
 */
export async function startChild({ command, env, output }: ChildOptions): Promise<ChildProcess> {
  const [program = "", ...args] = command.command;
  const child = spawn(findProgram(program, { cwd: command.cwd, path: process.env.PATH }), args, {
    argv0: program,
    cwd: command.cwd,
    env: { ...inheritedEnv(), ...env },
    detached: true,
    stdio: ["ignore", output, output],
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("spawn", () => {
      child.off("error", reject);
      child.on("error", () => {}); // a signal that could not be sent: the exit event tells all that matters
      child.unref();
      resolve(child);
    });
  });
}

/** Resolves when the program is over. */
export async function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/** The server's environment without its own flags, of which some are secrets. */
function inheritedEnv(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SPAWNER_")));
}

/** Sends a signal to all of a process group. A group that is gone is what was wanted. Returns whether there was one. */
export function signalGroup(groupId: number, signal: NodeJS.Signals): boolean {
  return trySignal(-groupId, signal);
}

/** Kills every process that was started for this backend, wherever it has gone. Returns whether there was one. */
export function killStrays(workload: WorkloadIdentity): boolean {
  const killed = processesOf(workload).filter((pid) => trySignal(pid, "SIGKILL"));
  return killed.length > 0;
}

/** Resolves when none of what `killStrays` has killed is left; rejects where one does not go (it waits for a disk, say). */
export async function untilStrayless(workload: WorkloadIdentity, clock: Clock): Promise<void> {
  const untilMs = clock.monotonicMs() + goneWithinMs;
  for (;;) {
    const left = processesOf(workload);
    if (left.length === 0) return;
    if (clock.monotonicMs() > untilMs) {
      throw new Error(
        `processes of ${workload.name} that were killed are not gone after ${goneWithinMs} ms: ${left.join(", ")}`,
      );
    }
    await pause(clock, goneEveryMs);
  }
}

/** Returns whether there was somebody to signal. Who is gone, or has become another user (a setuid program), cannot be signalled, and nothing can be done about it. */
function trySignal(target: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(target, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
    return false;
  }
}
