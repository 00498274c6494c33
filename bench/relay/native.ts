import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { loadCore, onCore, untilOutput } from "./processes.ts";

/** What one connection does, again and again. */
type LoadKind = "get" | "upload" | "connect" | "websocket";

export interface Load {
  readonly kind: LoadKind;
  readonly port: number;
  readonly target: string;
  readonly connections: number;
  readonly seconds: number;
  /** Of each upload, or each message. */
  readonly bytes?: number;
  /** `NAME=VALUE`, sent with each request beside the cookie that all have. Default: none. */
  readonly cookie?: string;
}

export interface LoadResult {
  readonly answered: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** A program of native/, compiled: what measures has to cost less than what it measures. */
type NativeProgram = "load" | "upstream";

/** Compiles the programs into `folder`. Throws where there is no compiler. */
export function compileNative(folder: string): (program: NativeProgram) => string {
  for (const name of ["load", "upstream"]) {
    const source = fileURLToPath(new URL(`native/${name}.c`, import.meta.url));
    execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-o", join(folder, name), source], { stdio: "inherit" });
  }
  return (program) => join(folder, program);
}

/** Puts a load on a port, and says what came of it. */
export async function runLoad(program: string, load: Load): Promise<LoadResult> {
  const { kind, port, target, connections, seconds, bytes = 0, cookie = "" } = load;
  const args = [port, kind, target, connections, seconds, bytes, cookie].map(String);
  const timeout = (seconds + 30) * 1_000;
  const { stdout } = await promisify(execFile)("taskset", onCore(loadCore, program, args), { timeout });
  return JSON.parse(stdout) as LoadResult;
}

/** WebSockets that have exchanged one message, and stay open until the returned function is called. */
export async function openIdleWebSockets(
  program: string,
  { port, target, count }: { port: number; target: string; count: number },
): Promise<() => Promise<void>> {
  const args = [port, "idle", target, count, 30, 32].map(String);
  const child = spawn("taskset", onCore(loadCore, program, args), { stdio: ["pipe", "pipe", "inherit"] });
  await untilOutput(child, /open/);
  return async () => {
    const exited = once(child, "exit");
    child.stdin.end();
    await exited;
  };
}
