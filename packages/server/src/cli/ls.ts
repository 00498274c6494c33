import type { BackendView } from "@spawner/client";
import type { Command } from "commander";
import { backendTable, changeLine } from "./backend-text.ts";
import { type ClientAction, jsonLine, withClient, write } from "./client-action.ts";
import { addClientCommand, type ClientFlags, jsonFlag } from "./client-flags.ts";
import { collect, flag, switchFlag } from "./flags.ts";

interface LsFlags extends ClientFlags {
  json?: boolean;
  label?: string[];
  watch?: boolean;
}

const examples = `
Examples:
  spawner ls
  spawner ls --label team=maps --label 'stage in (test, live),!old'
  spawner ls --watch               all of them, then each change
  spawner ls --json | jq -r 'select(.state == "Ready") | .url'
  spawner ls --url https://example.com/api --token-file ./token

With --json: each backend as GET /backends gives it, in a line of its own; with --watch, each change.`;

export function addLsCommand(program: Command): void {
  addClientCommand(program, "ls")
    .description("List backends: those that live, and those that have ended and are remembered")
    .addOption(
      flag("--label <selector>", "only those whose labels are so, as Kubernetes has it; may be repeated").argParser(
        collect,
      ),
    )
    .addOption(switchFlag("-w, --watch", "go on with each change, until interrupted"))
    .addOption(jsonFlag())
    .addHelpText("after", examples)
    .action((flags: LsFlags) =>
      withClient(flags, (action) => (flags.watch ? watch(flags, action) : list(flags, action))),
    );
}

async function list({ label, json }: LsFlags, { client, signal }: ClientAction): Promise<void> {
  const backends: BackendView[] = [];
  for await (const backend of client.listAll({ selector: label?.join(","), limit: 500, signal })) {
    if (json) await write(jsonLine(backend));
    else backends.push(backend);
  }
  if (!json) await writeTable(backends);
}

async function watch({ label, json }: LsFlags, { client, signal }: ClientAction): Promise<void> {
  /** Until all that there are were told. */
  let present: BackendView[] | undefined = [];
  for await (const change of client.watchBackends({ selector: label?.join(","), signal })) {
    if (json) await write(jsonLine(change));
    else if (change.type === "synced") {
      await writeTable(present ?? []);
      present = undefined;
    } else if (present !== undefined) present.push(change.backend);
    else await write(changeLine(change, new Date()));
  }
}

async function writeTable(backends: readonly BackendView[]): Promise<void> {
  if (backends.length === 0) process.stderr.write("There are no backends.\n");
  else await write(backendTable(backends, new Date()));
}
