import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CrashPoint, crashVariables, formatCrashPoint } from "./trace.ts";

const preload = fileURLToPath(new URL("crash-at.ts", import.meta.url));
const main = fileURLToPath(new URL("../../../packages/server/src/cli/main.ts", import.meta.url));

/** By this variable all that a life has started is found again: servers and programs. Its value is the life's folder. */
export const lifeVariable = "CRASH_LIFE";

/** How long a server may take to serve, or to end, on a busy machine. */
const patienceMs = 60_000;

export interface CrashingServerOptions {
  /** The life's folder: holds the state folder, and what the programs note. */
  readonly folder: string;
  readonly trace: string;
  readonly args: readonly string[];
  readonly command: readonly string[];
  /** Where it kills itself. Default: nowhere. */
  readonly crashAt?: CrashPoint;
}

export interface CrashingServer {
  /** Resolves to its address; undefined where it was killed before it served. */
  readonly served: Promise<string | undefined>;
  /** How it ended; undefined while it runs. */
  readonly ending: "SIGTERM" | "killed" | undefined;
  /** Resolves when it has ended; rejects where it did in any other way than by being asked to, or by its own kill. */
  readonly ended: Promise<void>;
  /** What it logged, for whoever has to find out what went wrong. */
  readonly log: string;
  /** Asks it to end, and waits for that. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** `spawner serve`, which kills itself at one of its actions. */
export function startCrashingServer({ folder, trace, args, command, crashAt }: CrashingServerOptions): CrashingServer {
  const stateDir = join(folder, "state");
  const flags = ["serve", "--port", "0", "--state-dir", stateDir, "--allow-anonymous", ...args, "--", ...command];
  const child = spawn(process.execPath, ["--import", preload, main, ...flags], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      [lifeVariable]: folder,
      [crashVariables.stateDir]: stateDir,
      [crashVariables.trace]: trace,
      [crashVariables.at]: crashAt === undefined ? "" : formatCrashPoint(crashAt),
    },
  });
  let log = "";
  let ending: CrashingServer["ending"];
  const served = Promise.withResolvers<string | undefined>();
  child.stderr.on("data", (bytes) => {
    log += bytes;
    const [line] = /^\{.*"serving".*\}$/m.exec(log) ?? [];
    if (line !== undefined) served.resolve((JSON.parse(line) as { url: string }).url);
  });
  const tooSlow = setTimeout(() => child.kill("SIGABRT"), patienceMs);
  void served.promise.then(() => clearTimeout(tooSlow));
  const ended = once(child, "close").then(([code, signal]) => {
    if (signal === "SIGKILL") ending = "killed";
    else if (code === 0) ending = "SIGTERM";
    served.resolve(undefined);
    if (ending === undefined) throw new Error(`the server ended by ${signal ?? `code ${code}`}:\n${log}`);
  });
  ended.catch(() => {}); // whoever waits for it is told
  return {
    served: served.promise,
    ended,
    get ending() {
      return ending;
    },
    get log() {
      return log;
    },
    async stop() {
      const timer = setTimeout(() => child.kill("SIGABRT"), patienceMs);
      child.kill("SIGTERM");
      await ended.finally(() => clearTimeout(timer));
    },
    async kill() {
      child.kill("SIGKILL");
      await ended.catch(() => {}); // it is over, however that came
    },
  };
}
