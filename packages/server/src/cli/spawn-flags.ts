import type { SpawnRequest } from "@spawner/client";
import type { Command } from "commander";
import { parsePair } from "./client-flags.ts";
import { flag, numberFlag, portRange, secondsRange } from "./flags.ts";

/** What every command takes that says what is to run. */
export interface SpawnFlags {
  template?: string;
  image?: string;
  programPort?: number;
  env?: Record<string, string>;
  gracePeriod?: number;
  firstClient?: number;
  silentConnection?: number;
  lifetime?: number;
  startupTimeout?: number;
  terminationGracePeriod?: number;
}

export function addSpawnFlags(command: Command): Command {
  const some = { ...secondsRange, least: 1 };
  return command
    .addOption(flag("--template <name>", "template of the server (default: default, or its only one)"))
    .addOption(flag("--image <name>", "container image, over that of the template"))
    .addOption(flag("--env <name=value>", "variable of the program; may be repeated").argParser(parsePair))
    .addOption(numberFlag("--program-port <port>", "port that the program listens on in its container", portRange))
    .addOption(numberFlag("--grace-period <seconds>", "time without a client at which it ends", secondsRange))
    .addOption(numberFlag("--first-client <seconds>", "time to wait for a first client at least", secondsRange))
    .addOption(
      numberFlag(
        "--silent-connection <seconds>",
        "time without data after which a WebSocket is no client, pings apart; 0: it is one until it closes",
        secondsRange,
      ),
    )
    .addOption(numberFlag("--lifetime <seconds>", "time after which it ends even when in use", some))
    .addOption(numberFlag("--startup-timeout <seconds>", "time in which the program must listen", some))
    .addOption(
      numberFlag("--termination-grace-period <seconds>", "time the program has to end when it is asked", secondsRange),
    );
}

/** Says only what was given, so that the server's defaults hold for the rest. */
export function spawnRequestOf(flags: SpawnFlags): SpawnRequest {
  return {
    template: flags.template,
    image: flags.image,
    port: flags.programPort,
    env: flags.env,
    gracePeriodSeconds: flags.gracePeriod,
    firstClientSeconds: flags.firstClient,
    silentConnectionSeconds: flags.silentConnection,
    lifetimeSeconds: flags.lifetime,
    startupTimeoutSeconds: flags.startupTimeout,
    terminationGracePeriodSeconds: flags.terminationGracePeriod,
  };
}
