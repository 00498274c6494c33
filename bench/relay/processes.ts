import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { childrenOf, megabytesOf } from "../support/remains.ts";

/** The proxies have one core, what measures them the other. */
export const proxyCore = 1;
export const loadCore = 0;

/** Every wait for a process ends by then. */
const waitMsMax = 20_000;

/** The arguments of taskset(1) that run a program on one core. It becomes that program: the process has the same id. */
export function onCore(core: number, program: string, args: readonly string[]): string[] {
  return ["-c", String(core), program, ...args];
}

export interface Pinned {
  readonly child: ChildProcess;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface PinOptions {
  readonly core: number;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a program on one core. Its stdin is a pipe that ends with this process, and what it says goes to stderr. */
export function startPinned({ core, program, args, env = {} }: PinOptions): Pinned {
  const child = spawn("taskset", onCore(core, program, args), {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} could not be started: is taskset (util-linux) installed?`);
  const exited = once(child, "exit");
  return {
    child,
    pid,
    async stop() {
      child.stdin.end();
      child.kill("SIGTERM");
      await Promise.race([exited, sleep(5_000, undefined, { ref: false })]);
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    },
  };
}

/** Resolves to the match of the first output that matches. Rejects where the process ends, or says no such thing in time. */
export function untilOutput(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = "";
    const fail = (how: string) => reject(new Error(`${child.spawnargs.join(" ")} ${how}; it said ${text}`));
    const timer = setTimeout(() => fail(`did not say ${pattern} in time`), waitMsMax);
    child.once("exit", (code) => fail(`ended with ${code}`));
    child.stdout?.on("data", (bytes) => {
      text += bytes;
      const match = pattern.exec(text);
      if (match === null) return;
      clearTimeout(timer);
      resolve(match);
    });
  });
}

/** A port of 127.0.0.1 that was free a moment ago, for programs that cannot say which one they got. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Resolves when somebody listens there. */
export async function untilListening(port: number, { pollMs = 10 } = {}): Promise<void> {
  const untilMs = performance.now() + waitMsMax;
  while (!(await isListening(port))) {
    if (performance.now() > untilMs) throw new Error(`nobody listens on port ${port}`);
    await sleep(pollMs);
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const settle = (value: boolean) => {
      socket.destroy();
      resolve(value);
    };
    socket.on("connect", () => settle(true)).on("error", () => settle(false));
  });
}

/** CPU time that a process and its children have had, in us: of each thread by /proc/<pid>/task/<tid>/schedstat. */
export function cpuUsOf(pid: number): number {
  const threads = familyOf(pid).flatMap((each) =>
    readdirSync(`/proc/${each}/task`).map((thread) => `/proc/${each}/task/${thread}/schedstat`),
  );
  return threads.reduce((sum, path) => sum + Number(readFileSync(path, "utf8").split(" ")[0]) / 1_000, 0);
}

/** Memory of a process and its children, in MB: what is theirs alone, and what they have in all. */
export function memoryOf(pid: number): { privateMB: number; residentMB: number } {
  const sum = (...fields: string[]) => familyOf(pid).reduce((total, each) => total + megabytesOf(each, ...fields), 0);
  return { privateMB: sum("Private_Clean", "Private_Dirty"), residentMB: sum("Rss") };
}

function familyOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(familyOf)];
}
