import type { Command } from "commander";
import { withClient, write } from "./client-action.ts";
import { addClientCommand, type ClientFlags } from "./client-flags.ts";
import { numberFlag, switchFlag } from "./flags.ts";

interface LogsFlags extends ClientFlags {
  follow?: boolean;
  tail?: number;
}

const examples = `
Examples:
  spawner logs b4xk2m9qvd
  spawner logs b4xk2m9qvd --tail 20 --follow
  spawner logs b4xk2m9qvd > output.txt`;

export function addLogsCommand(program: Command): void {
  addClientCommand(program, "logs")
    .argument("<id>", "the backend's id")
    .description("Print what the program of a backend wrote, byte for byte")
    .addOption(switchFlag("-f, --follow", "go on with what it writes, until it ends"))
    .addOption(
      numberFlag("--tail <lines>", "only the last lines (default: all that is kept)", { least: 0, most: 100_000 }),
    )
    .addHelpText("after", examples)
    .action((id: string, { follow, tail, ...flags }: LogsFlags) =>
      withClient(flags, async ({ client, signal }) => {
        for await (const bytes of client.logBytes(id, { follow, tail, signal })) await write(bytes);
      }),
    );
}
