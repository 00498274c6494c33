import type { Command } from "commander";
import { jsonLine, withClient, write } from "./client-action.ts";
import { addClientCommand, type ClientFlags, jsonFlag } from "./client-flags.ts";
import { switchFlag } from "./flags.ts";
import { addSpawnFlags, type SpawnFlags, spawnRequestOf } from "./spawn-flags.ts";

interface SpawnCommandFlags extends ClientFlags, SpawnFlags {
  json?: boolean;
  wait?: boolean;
}

const examples = `
Examples:
  spawner spawn
  spawner spawn --env DOCUMENT=42 --grace-period 60
  spawner spawn --template game
  curl "$(spawner spawn --wait)"
  id=$(spawner spawn --json | jq -r .name)

Its URL can be opened at once: requests wait there until the backend is ready. With --json: what POST /spawn answers.`;

export function addSpawnCommand(program: Command): void {
  addSpawnFlags(addClientCommand(program, "spawn"))
    .description("Start a backend, and print its URL")
    .addOption(switchFlag("--wait", "wait until it is ready; fail when it ends before"))
    .addOption(jsonFlag())
    .addHelpText("after", examples)
    .action((flags: SpawnCommandFlags) =>
      withClient(flags, async ({ client, signal }) => {
        const spawned = await client.spawn(spawnRequestOf(flags), { signal });
        await write(flags.json ? jsonLine(spawned) : `${spawned.url ?? spawned.name}\n`);
        if (flags.wait) await client.waitUntilReady(spawned.name, { signal });
      }),
    );
}
