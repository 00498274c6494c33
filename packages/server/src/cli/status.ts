import type { Command } from "commander";
import { backendText, statusLine } from "./backend-text.ts";
import { type ClientAction, jsonLine, withClient, write } from "./client-action.ts";
import { addClientCommand, type ClientFlags, jsonFlag } from "./client-flags.ts";
import { switchFlag } from "./flags.ts";
import { UsageError } from "./report-failure.ts";

interface StatusFlags extends ClientFlags {
  json?: boolean;
  follow?: boolean;
  wait?: boolean;
}

const examples = `
Examples:
  spawner status b4xk2m9qvd
  spawner status b4xk2m9qvd --follow            each state as it is reached, until the last
  spawner status b4xk2m9qvd --wait && echo up   exits with 4 when it has ended instead

With --json: the backend as GET /backend/<id> gives it; with --follow, each state in a line of its own.`;

export function addStatusCommand(program: Command): void {
  addClientCommand(program, "status")
    .argument("<id>", "the backend's id")
    .description("Show a backend: its state, its URL, and why it is over")
    .addOption(switchFlag("-f, --follow", "print each state as it is reached, until the last"))
    .addOption(switchFlag("--wait", "wait until it is ready; fail when it ends before"))
    .addOption(jsonFlag())
    .addHelpText("after", examples)
    .action((id: string, flags: StatusFlags) => {
      if (flags.follow && flags.wait)
        throw new UsageError("--follow goes on to the end, --wait to Ready: give one of them.");
      return withClient(flags, (action) => (flags.follow ? follow(id, flags, action) : show(id, flags, action)));
    });
}

async function show(id: string, { json, wait }: StatusFlags, { client, signal }: ClientAction): Promise<void> {
  if (wait) await client.waitUntilReady(id, { signal });
  const backend = await client.backend(id, { signal });
  await write(json ? jsonLine(backend) : backendText(backend, new Date()));
}

async function follow(id: string, { json }: StatusFlags, { client, signal }: ClientAction): Promise<void> {
  for await (const status of client.statusStream(id, { signal })) {
    await write(json ? jsonLine(status) : statusLine(status));
  }
}
