import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import type { WorkloadEnd } from "../../core/decide.ts";
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

/** Sends a signal to all of a process group. A group that is gone is what was wanted. */
export function signalGroup(groupId: number, signal: NodeJS.Signals): void {
  trySignal(-groupId, signal);
}

/**
 * Kills every process that was started for this backend, wherever it has gone: `SPAWNER_BACKEND` in its environment tells.
 */
export function killStrays({ name, uid }: { name: string; uid: string }): void {
  for (const pid of processesWithEnv("SPAWNER_BACKEND", `${name}/${uid}`)) trySignal(pid, "SIGKILL");
}

/** Who is gone, or has become another user (a setuid program), cannot be signalled, and nothing can be done about it. */
function trySignal(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}

/** What to say of a program that is over. `code` and `signal` as in Node's exit event; both null: nobody saw it end. */
export function describeExit(
  exit: { code: number | null; signal: string | null; at: Date },
  output: string,
): WorkloadEnd {
  const tail = output.trim() === "" ? " It wrote nothing." : ` Its last output:\n${output.trimEnd()}`;
  const { code, signal, at } = exit;
  if (code === 0) return { reason: "Exited", message: `The program exited with code 0.${tail}`, at };
  if (code !== null) return { reason: "Crashed", message: `The program exited with code ${code}.${tail}`, at };
  if (signal !== null) return { reason: "Crashed", message: `The program was ended by ${signal}.${tail}`, at };
  return { reason: "Crashed", message: `The program ended while Spawner was not running (unknown why).${tail}`, at };
}

/** What to say of a program that could not be started. */
export function describeStartError(error: NodeJS.ErrnoException, template: CommandTemplate, at: Date): WorkloadEnd {
  const program = JSON.stringify(template.command[0] ?? "");
  return {
    reason: "StartError",
    message: `The program ${program} could not be started: ${causeOf(error, template)}.`,
    at,
  };
}

/** What to say of a program that got no port of its own, in so many attempts. */
export function describePortsTaken(attempts: number, at: Date): WorkloadEnd {
  return {
    reason: "StartError",
    message: `Another program on this machine listened on the port that the program was given, ${attempts} times in a row. Which program takes ports from 20000 to 32767?`,
    at,
  };
}

function causeOf(error: NodeJS.ErrnoException, { cwd }: CommandTemplate): string {
  switch (error.code) {
    case "ENOENT": // spawn(2) says the same of a missing working directory
      return existsSync(cwd) ? `not found (looked for in PATH, from ${cwd})` : `its folder ${cwd} does not exist`;
    case "EACCES":
      return "not executable";
    default:
      return error.message;
  }
}
