import { mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { pino } from "pino";
import { specDefaults } from "../core/resource.ts";
import { type Embedded, type EmbeddedConfig, run } from "../embedded/index.ts";
import { systemClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { flag, numberFlag, portRange, secondsRange } from "./flags.ts";
import { makeSessionLines } from "./session-lines.ts";
import { untilSignal } from "./signals.ts";

interface DevFlags {
  port: number;
  gracePeriod: number;
  stateDir?: string;
  backendsMax: number;
  parkedMax: number;
  retain: number;
  recordsMax: number;
  logLevel: string;
}

const loopback = "127.0.0.1";
const loopbackNames = [loopback, "localhost", "[::1]"];
/** A person who has pressed Ctrl-C waits no longer than this for programs that do not want to end. */
const stopGraceSecondsMax = 5;

const examples = `
Examples:
  spawner dev -- node server.js              a Node server that listens on PORT
  spawner dev -- python3 app.py              any other program does as well
  spawner dev --grace-period 10 -- ./server  ended 10 s after the last client has left

Every flag can also be given as SPAWNER_<FLAG>: SPAWNER_PORT=9000 spawner dev -- node server.js`;

export function addDevCommand(program: Command): void {
  const count = { least: 1, most: 1_000_000 };
  program
    .command("dev")
    .description("Run a command for each session, on this machine")
    .argument("<command...>", "the program and its arguments, behind --; it must listen on PORT of its environment")
    .addOption(numberFlag("--port <port>", "port to serve on; 0: any", portRange).default(8080))
    .addOption(
      numberFlag(
        "--grace-period <seconds>",
        "time after the last client has left at which a session ends",
        secondsRange,
      ).default(specDefaults.gracePeriodSeconds),
    )
    .addOption(flag("--state-dir <folder>", "where sessions are recorded (default: of this user and port)"))
    .addOption(numberFlag("--backends-max <count>", "most sessions at once", count).default(100))
    .addOption(
      numberFlag("--parked-max <count>", "most requests that wait for sessions to start", count).default(1_000),
    )
    .addOption(
      numberFlag("--retain <seconds>", "time for which an ended session can be asked about", secondsRange).default(
        3_600,
      ),
    )
    .addOption(numberFlag("--records-max <count>", "most ended sessions that are remembered", count).default(1_000))
    .addOption(
      flag("--log-level <level>", "what to log to stderr").choices(["debug", "info", "warn", "error"]).default("warn"),
    )
    .addHelpText("after", examples)
    .action(async (command: string[], flags: DevFlags) => {
      const { stateDir, removeStateDir } = chooseStateDir(flags);
      try {
        await serve(command, { ...flags, stateDir });
      } finally {
        removeStateDir();
      }
    });
}

async function serve(command: string[], flags: DevFlags & { stateDir: string }): Promise<void> {
  const log = pino({ level: flags.logLevel }, pino.destination(2));
  const config: EmbeddedConfig = {
    host: loopback,
    port: flags.port,
    stateDir: flags.stateDir,
    template: { command, cwd: process.cwd() },
    gracePeriodSeconds: flags.gracePeriod,
    allowedHosts: loopbackNames,
    backendsMax: flags.backendsMax,
    parkedMax: flags.parkedMax,
    retainSeconds: flags.retain,
    recordsMax: flags.recordsMax,
  };
  const embedded = await start(config, log);
  print(banner(command, embedded.url, flags));
  const unwatch = embedded.engine.backends.watch(makeSessionLines(embedded.url, print));
  let hurry = () => {};
  await untilSignal(() => hurry());
  print("\nEnding all sessions. Press Ctrl-C again to kill them.");
  hurry = () => void embedded.drain({ graceSecondsMax: 0 });
  await embedded.drain({ graceSecondsMax: stopGraceSecondsMax });
  unwatch();
  await embedded.close();
}

async function start(config: EmbeddedConfig, log: Log): Promise<Embedded> {
  try {
    return await run(config, { clock: systemClock, log });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new Error(`Port ${config.port} on ${config.host} is in use. Choose another one: --port 8081, or 0 for any.`, {
      cause: error,
    });
  }
}

/** Of this user and port, so that what a crash left behind is found again; with any port a folder that goes at the end. */
function chooseStateDir({ stateDir, port }: DevFlags): { stateDir: string; removeStateDir: () => void } {
  if (stateDir !== undefined) return { stateDir, removeStateDir: () => {} };
  if (port === 0) {
    const folder = mkdtempSync(join(tmpdir(), "spawner-dev-"));
    return { stateDir: folder, removeStateDir: () => rmSync(folder, { recursive: true, force: true }) };
  }
  const stateHome = process.env.XDG_STATE_HOME || join(homedir(), ".local", "state");
  return { stateDir: join(stateHome, "spawner", `dev-${port}`), removeStateDir: () => {} };
}

function banner(command: string[], url: string, { gracePeriod }: DevFlags): string {
  return `Spawner runs a process of its own for each session: ${command.join(" ")}

  ${url}/           starts a session for whoever opens it
  ${url}/<id>/      is that session; ended ${gracePeriod} s after its last client has left
  ${url}/api/spawn  starts one too: curl -X POST -H 'content-type: application/json' -d '{}'

Ctrl-C ends all of them.
`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
