import { existsSync } from "node:fs";
import type { WorkloadEnd } from "../../core/decide.ts";
import { describeOutput } from "../../core/describe-output.ts";
import type { Command } from "./command.ts";
import { firstPort, lastPort } from "./free-port.ts";

/** How a program ended: as in Node's exit event; code and signal both null: nobody saw it end. */
export interface ProgramExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly at: Date;
  /** Whether processes that it had started went on without it, and had to be ended. */
  readonly leftOthers: boolean;
  /** Whether the kernel has just killed a process for lack of memory: this one, if SIGKILL ended it. */
  readonly outOfMemory: boolean;
}

/** What to say of a program that is over. `output` is the end of what it wrote. */
export function describeExit({ code, signal, at, leftOthers, outOfMemory }: ProgramExit, output: string): WorkloadEnd {
  const tail = describeOutput(output);
  if (code === 0) {
    // Most likely it makes itself a daemon, and takes that for success.
    const hint = leftOthers ? " What it had left in the background was ended; it has to stay in the foreground." : "";
    return { reason: "Exited", message: `The program exited with code 0.${hint} ${tail}`, at };
  }
  // A shell says by 128 + 9 that what it ran was killed.
  if (outOfMemory && (signal === "SIGKILL" || code === 137)) {
    return { reason: "OutOfMemory", message: `The program was killed by the kernel, for lack of memory. ${tail}`, at };
  }
  if (code !== null) return { reason: "Crashed", message: `The program exited with code ${code}. ${tail}`, at };
  if (signal !== null) return { reason: "Crashed", message: `The program was ended by ${signal}. ${tail}`, at };
  return { reason: "Crashed", message: `The program ended while Spawner was not running (unknown why). ${tail}`, at };
}

/** What to say of a program that listens on other ports than its own. */
export function describeElsewhere(port: number, elsewhere: readonly number[]): string {
  const ports = `port${elsewhere.length > 1 ? "s" : ""} ${elsewhere.join(" and ")}`;
  return `It listens on ${ports} instead, and has to listen on the one in PORT, which was ${port} this time.`;
}

/** What to say of a program that could not be started. */
export function describeStartError(error: NodeJS.ErrnoException, command: Command, at: Date): WorkloadEnd {
  const program = JSON.stringify(command.command[0] ?? "");
  return {
    reason: "StartError",
    message: `The program ${program} could not be started: ${causeOf(error, command)}.`,
    at,
  };
}

/** What to say of a program that got no port of its own, in so many attempts. `output` is the end of what it wrote. */
export function describePortsTaken({ attempts, at }: { attempts: number; at: Date }, output: string): WorkloadEnd {
  const what = `Another program on this machine listened on the port that the program was given, ${attempts} times in a row.`;
  return {
    reason: "StartError",
    message: `${what} Which program takes ports from ${firstPort} to ${lastPort}? ${describeOutput(output)}`,
    at,
  };
}

function causeOf(error: NodeJS.ErrnoException, { cwd }: Command): string {
  switch (error.code) {
    case "ENOENT": // spawn(2) says the same of a missing working directory
      return existsSync(cwd) ? `not found (looked for in PATH, from ${cwd})` : `its folder ${cwd} does not exist`;
    case "EACCES":
      return "not executable";
    default:
      return error.message;
  }
}
