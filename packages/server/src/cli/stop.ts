import { type SpawnerClient, SpawnerClientError, type StatusMessage } from "@spawner/client";
import type { Command } from "commander";
import { jsonLine, withClient, write } from "./client-action.ts";
import { addClientCommand, type ClientFlags, jsonFlag } from "./client-flags.ts";
import { switchFlag } from "./flags.ts";

interface StopFlags extends ClientFlags {
  json?: boolean;
  wait: boolean;
}

const examples = `
Examples:
  spawner stop b4xk2m9qvd             returns when it has ended
  spawner stop b4xk2m9qvd --no-wait   returns when it has been asked to

One that has ended already is left as it is. With --json: its last state, with its id as "name".`;

export function addStopCommand(program: Command): void {
  addClientCommand(program, "stop")
    .argument("<id>", "the backend's id")
    .description("End a backend, and wait until it has ended")
    .addOption(switchFlag("--no-wait", "do not wait"))
    .addOption(jsonFlag())
    .addHelpText("after", examples)
    .action((id: string, { json, wait, ...flags }: StopFlags) =>
      withClient(flags, async ({ client, signal }) => {
        const asked = await client.stop(id, { signal });
        const status = wait && !hasEnded(asked) ? await untilEnded(client, { id, signal, asked }) : asked;
        if (json) return write(jsonLine({ name: id, ...statusOf(status) }));
        await write(hasEnded(status) ? `${id} has ended: ${status.reason}\n` : `${id} was asked to end\n`);
      }),
    );
}

async function untilEnded(
  client: SpawnerClient,
  { id, signal, asked }: { id: string; signal: AbortSignal; asked: StatusMessage },
): Promise<StatusMessage> {
  let last = asked;
  try {
    for await (const status of client.statusStream(id, { signal })) last = status;
  } catch (error) {
    // It was there a moment ago: it has ended, and its record is gone as well.
    if (!(error instanceof SpawnerClientError) || error.code !== "not_found") throw error;
    return { state: "Swept", time: new Date().toISOString(), reason: "Requested" };
  }
  return last;
}

function hasEnded({ state }: StatusMessage): boolean {
  return state === "Swept" || state === "Failed";
}

function statusOf({ state, time, reason, message }: StatusMessage): StatusMessage {
  return { state, time, ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
}
