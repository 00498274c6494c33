import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { processesWithEnv } from "../../lib/linux-processes.ts";
import type { CommandTemplate } from "./templates.ts";

export interface ChildOptions {
  template: CommandTemplate;
  env: Readonly<Record<string, string>>;
  /** Descriptor that gets stdout and stderr. */
  output: number;
}

/**
 * Starts the program as the leader of its own process group, so that all it starts can be ended with it. Resolves when it
 * runs; rejects when it cannot be started.
 */
export function startChild({ template, env, output }: ChildOptions): Promise<ChildProcess> {
  const [program = "", ...args] = template.command;
  const child = spawn(program, args, {
    cwd: template.cwd,
    env: { ...inheritedEnv(), ...template.env, ...env },
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

/**
 * Kills every process that was started for this backend, wherever it has gone: `SPAWNER_BACKEND` in its environment tells.
 * Returns whether there was one.
 */
export function killStrays({ name, uid }: { name: string; uid: string }): boolean {
  const killed = processesWithEnv("SPAWNER_BACKEND", `${name}/${uid}`).filter((pid) => trySignal(pid, "SIGKILL"));
  return killed.length > 0;
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
