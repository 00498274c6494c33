import type { Command } from "commander";
import { specDefaults } from "../core/spec-defaults.ts";
import type { EmbeddedConfig } from "../embedded/index.ts";
import { flag, numberFlag, parsedFlag, portRange, secondsRange } from "./flags.ts";
import { addGatewayRelayFlags, type GatewayRelayFlags, gatewayRelayConfigOf } from "./gateway-flags.ts";
import { countRange, silentConnectionFlag, templatesFlag, userBackendsFlag } from "./limit-flags.ts";
import { UsageError } from "./report-failure.ts";

/** What every command takes that serves from this process. */
export interface EmbeddedFlags extends GatewayRelayFlags {
  port: number;
  gracePeriod: number;
  silentConnection?: number;
  stateDir?: string;
  templates?: string;
  backendsMax: number;
  userBackendsMax?: number;
  parkedMax: number;
  retain: number;
  recordsMax: number;
  logLevel: string;
}

/** The names of this machine for itself, as a Host field has them. */
export const loopbackNames: readonly string[] = ["127.0.0.1", "localhost", "[::1]"];

/** Adds the argument that is the program, and the flags. What differs between the commands is given. */
export function addEmbeddedFlags(command: Command, given: { logLevel: string; stateDirDefault: string }): Command {
  command
    .argument("[command...]", "the program and its arguments, behind --; it must listen on PORT of its environment")
    .addOption(templatesFlag("a command's"))
    .addOption(numberFlag("--port <port>", "port to serve on; 0: any", portRange).default(8080))
    .addOption(
      numberFlag(
        "--grace-period <seconds>",
        "time after the last client has left at which a session ends",
        secondsRange,
      ).default(specDefaults.gracePeriodSeconds),
    )
    .addOption(silentConnectionFlag())
    .addOption(
      parsedFlag(
        "--state-dir <folder>",
        `where sessions are recorded (default: ${given.stateDirDefault})`,
        parseFolder,
      ),
    )
    .addOption(
      numberFlag("--backends-max <count>", "most sessions at once, until their programs are gone", countRange).default(
        100,
      ),
    )
    .addOption(userBackendsFlag())
    .addOption(
      numberFlag("--parked-max <count>", "most requests that wait for sessions to start", countRange).default(1_000),
    )
    .addOption(
      numberFlag("--retain <seconds>", "time for which an ended session can be asked about", secondsRange).default(
        3_600,
      ),
    )
    .addOption(
      numberFlag("--records-max <count>", "most ended sessions that are remembered", countRange).default(1_000),
    )
    .addOption(
      flag("--log-level <level>", "what to log to stderr")
        .choices(["debug", "info", "warn", "error"])
        .default(given.logLevel),
    );
  return addGatewayRelayFlags(command);
}

function parseFolder(text: string): string {
  if (text !== "") return text;
  throw new RangeError("The name of a folder is needed.");
}

/** What the flags say of how to serve. The program runs in the present folder. Throws a UsageError where there is none. */
export function configOfFlags(command: readonly string[], flags: EmbeddedFlags) {
  if (command.length === 0 && flags.templates === undefined) {
    throw new UsageError(
      "Which program? Give its command behind --, such as -- node server.js, or a folder of templates (--templates FOLDER).",
    );
  }
  return {
    port: flags.port,
    ...(command.length === 0 ? {} : { template: { command, cwd: process.cwd() } }),
    ...(flags.templates === undefined ? {} : { templatesDir: flags.templates }),
    gracePeriodSeconds: flags.gracePeriod,
    ...(flags.silentConnection === undefined ? {} : { silentConnectionSeconds: flags.silentConnection }),
    backendsMax: flags.backendsMax,
    ...(flags.userBackendsMax === undefined ? {} : { userBackendsMax: flags.userBackendsMax }),
    parkedMax: flags.parkedMax,
    retainSeconds: flags.retain,
    recordsMax: flags.recordsMax,
    ...gatewayRelayConfigOf(flags),
  } satisfies Partial<EmbeddedConfig>;
}
