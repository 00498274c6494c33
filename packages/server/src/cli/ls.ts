import type { BackendView } from "@spawner/client";
import type { Command } from "commander";
import { backendTable } from "./backend-text.ts";
import { jsonLine, withClient, write } from "./client-action.ts";
import { addClientCommand, type ClientFlags, jsonFlag, parsePair } from "./client-flags.ts";
import { flag } from "./flags.ts";

interface LsFlags extends ClientFlags {
  json?: boolean;
  label?: Record<string, string>;
}

const examples = `
Examples:
  spawner ls
  spawner ls --label team=maps
  spawner ls --json | jq -r 'select(.state == "Ready") | .url'
  spawner ls --url https://example.com/api --token-file ./token

With --json: each backend as GET /backends gives it, in a line of its own.`;

export function addLsCommand(program: Command): void {
  addClientCommand(program, "ls")
    .description("List backends: those that live, and those that have ended and are remembered")
    .addOption(flag("--label <name=value>", "only those with this label; may be repeated").argParser(parsePair))
    .addOption(jsonFlag())
    .addHelpText("after", examples)
    .action((flags: LsFlags) =>
      withClient(flags, async ({ client, signal }) => {
        const backends: BackendView[] = [];
        for await (const backend of client.listAll({ labels: flags.label, limit: 500, signal })) {
          if (flags.json) await write(jsonLine(backend));
          else backends.push(backend);
        }
        if (flags.json) return;
        if (backends.length === 0) process.stderr.write("There are no backends.\n");
        else await write(backendTable(backends, new Date()));
      }),
    );
}
