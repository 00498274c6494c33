import { type SpecChangePolicy, specChangePolicies } from "@spawner/client";
import { type Command, InvalidArgumentError } from "commander";
import { longestTokenSeconds } from "../core/token-seconds.ts";
import { jsonLine, withClient, write } from "./client-action.ts";
import { addClientCommand, type ClientFlags, jsonFlag } from "./client-flags.ts";
import { flag, numberFlag, switchFlag } from "./flags.ts";
import { addSpawnFlags, type SpawnFlags, spawnRequestOf } from "./spawn-flags.ts";

interface ConnectFlags extends ClientFlags, SpawnFlags {
  user?: string;
  auth?: Record<string, unknown>;
  tokenTtl?: number;
  onSpecChange?: SpecChangePolicy;
  json?: boolean;
  wait?: boolean;
}

const tokenTtlRange = { least: 1, most: longestTokenSeconds };

const examples = `
Examples:
  spawner connect document-42 --user ada
  spawner connect document-42 --user ada --template editor --wait
  spawner connect document-42 --user ada --auth '{"role": "reader"}'
  spawner connect
      a session of its own, of no key

Whoever has the URL is let in, until the token in it is over. With --json: what POST /connect answers.`;

export function addConnectCommand(program: Command): void {
  addSpawnFlags(addClientCommand(program, "connect [key]"))
    .description("Get the one live backend of a key, started where there is none, and print a URL for one user")
    .addOption(flag("--user <name>", "whom the URL is for: the program is told"))
    .addOption(
      flag("--auth <json>", "what the program is told of the user beside the name: an object").argParser(parseObject),
    )
    .addOption(numberFlag("--token-ttl <seconds>", "time for which the URL lets connections begin", tokenTtlRange))
    .addOption(
      flag("--on-spec-change <policy>", "what becomes of a live backend that runs something else").choices(
        specChangePolicies,
      ),
    )
    .addOption(switchFlag("--wait", "wait until it is ready; fail when it ends before"))
    .addOption(jsonFlag())
    .addHelpText("after", examples)
    .action((key: string | undefined, flags: ConnectFlags) =>
      withClient(flags, async ({ client, signal }) => {
        const { user, auth, tokenTtl: tokenTtlSeconds, onSpecChange } = flags;
        const request = { ...spawnRequestOf(flags), key, user, auth, tokenTtlSeconds, onSpecChange };
        const connected = await client.connect(request, { signal });
        await write(flags.json ? jsonLine(connected) : `${connected.url ?? connected.token}\n`);
        if (flags.wait) await client.waitUntilReady(connected.backend, { signal });
      }),
    );
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // said below
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InvalidArgumentError("An object as JSON is needed.");
}
