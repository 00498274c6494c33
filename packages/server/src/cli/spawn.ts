import type { SpawnRequest } from "@spawner/client";
import type { Command } from "commander";
import { jsonLine, withClient, write } from "./client-action.ts";
import { addClientCommand, type ClientFlags, jsonFlag, parsePair } from "./client-flags.ts";
import { flag, numberFlag, portRange, secondsRange, switchFlag } from "./flags.ts";

interface SpawnFlags extends ClientFlags {
  json?: boolean;
  image?: string;
  programPort?: number;
  env?: Record<string, string>;
  gracePeriod?: number;
  firstClient?: number;
  lifetime?: number;
  startupTimeout?: number;
  terminationGracePeriod?: number;
  wait?: boolean;
}

const examples = `
Examples:
  spawner spawn
  spawner spawn --env DOCUMENT=42 --grace-period 60
  curl "$(spawner spawn --wait)"
  id=$(spawner spawn --json | jq -r .name)

Its URL can be opened at once: requests wait there until the backend is ready. With --json: what POST /spawn answers.`;

export function addSpawnCommand(program: Command): void {
  const some = { ...secondsRange, least: 1 };
  addClientCommand(program, "spawn")
    .description("Start a backend, and print its URL")
    .addOption(flag("--image <name>", "container image, or template of the server (default: its only one)"))
    .addOption(flag("--env <name=value>", "variable of the program; may be repeated").argParser(parsePair))
    .addOption(numberFlag("--program-port <port>", "port that the program listens on in its container", portRange))
    .addOption(numberFlag("--grace-period <seconds>", "time without a client at which it ends", secondsRange))
    .addOption(numberFlag("--first-client <seconds>", "time to wait for a first client at least", secondsRange))
    .addOption(numberFlag("--lifetime <seconds>", "time after which it ends even when in use", some))
    .addOption(numberFlag("--startup-timeout <seconds>", "time in which the program must listen", some))
    .addOption(
      numberFlag("--termination-grace-period <seconds>", "time the program has to end when it is asked", secondsRange),
    )
    .addOption(switchFlag("--wait", "wait until it is ready; fail when it ends before"))
    .addOption(jsonFlag())
    .addHelpText("after", examples)
    .action((flags: SpawnFlags) =>
      withClient(flags, async ({ client, signal }) => {
        const spawned = await client.spawn(requestOf(flags), { signal });
        await write(flags.json ? jsonLine(spawned) : `${spawned.url ?? spawned.name}\n`);
        if (flags.wait) await client.waitUntilReady(spawned.name, { signal });
      }),
    );
}

/** Says only what was given, so that the server's defaults hold for the rest. */
function requestOf(flags: SpawnFlags): SpawnRequest {
  const fields = {
    image: flags.image,
    port: flags.programPort,
    env: flags.env,
    gracePeriodSeconds: flags.gracePeriod,
    firstClientSeconds: flags.firstClient,
    lifetimeSeconds: flags.lifetime,
    startupTimeoutSeconds: flags.startupTimeout,
    terminationGracePeriodSeconds: flags.terminationGracePeriod,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
