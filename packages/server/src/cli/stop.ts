import { setTimeout } from "node:timers/promises";
import { type BackendView, type ClientErrorCode, type SpawnerClient, SpawnerClientError } from "@spawner/client";
import type { Command } from "commander";
import { isEndState } from "../core/states.ts";
import { jsonLine, withClient, write } from "./client-action.ts";
import { addClientCommand, type ClientFlags, jsonFlag } from "./client-flags.ts";
import { numberFlag, secondsRange, switchFlag } from "./flags.ts";

interface StopFlags extends ClientFlags {
  json?: boolean;
  wait: boolean;
  grace?: number;
}

/** What is said of a backend at last; of one whose record is gone, no more is known. */
type LastView = Pick<BackendView, "state" | "time" | "reason" | "message" | "ending">;

/** How often to look whether its program is gone, and after which time people are told why it takes so long. */
const pollMs = 100;
const tellAfterMs = 1_000;

const examples = `
Examples:
  spawner stop b4xk2m9qvd             returns when it has ended, and its program is gone
  spawner stop b4xk2m9qvd --grace 5   its program is killed after 5 s, where it would have longer
  spawner stop b4xk2m9qvd --no-wait   returns when it has been asked to

One that has ended already is left as it is; while its program still runs, that is waited for, and --grace shortens it: on one
machine. A node of Kubernetes does not shorten a grace that has begun, so that there the first to ask has the say.
With --json: its last state, with its id as "name", and with "ending" while its program runs.`;

export function addStopCommand(program: Command): void {
  addClientCommand(program, "stop")
    .argument("<id>", "the backend's id")
    .description("End a backend, and wait until its program is gone")
    .addOption(numberFlag("--grace <seconds>", "time the program has to end, at most (default: its own)", secondsRange))
    .addOption(switchFlag("--no-wait", "do not wait"))
    .addOption(jsonFlag())
    .addHelpText("after", examples)
    .action((id: string, { json, wait, grace, ...flags }: StopFlags) =>
      withClient(flags, async ({ client, signal }) => {
        const asked = await client.stop(id, { graceSeconds: grace, signal });
        const last = wait ? await untilGone(client, { id, signal, asked }) : asked;
        await write(json ? jsonLine({ name: id, ...fieldsOf(last) }) : `${id} ${outcomeOf(last)}\n`);
      }),
    );
}

/** Waits until the backend has ended, and then until its program is gone, which only a look at it tells. */
async function untilGone(
  client: SpawnerClient,
  { id, signal, asked }: { id: string; signal: AbortSignal; asked: BackendView },
): Promise<LastView> {
  let last: LastView = asked;
  const untilEnded = async () => {
    for await (const status of client.statusStream(id, { signal })) last = status;
  };
  try {
    if (!isEndState(last.state)) await untilEnded();
    const tellAtMs = performance.now() + tellAfterMs;
    // A wait that is cut short is followed by a call that rejects for the same reason.
    for (let isTold = false; ; await setTimeout(pollMs, undefined, { signal }).catch(() => {})) {
      try {
        const view = await client.backend(id, { signal });
        last = view;
        if (view.ending !== true) return view;
        if (isTold || performance.now() < tellAtMs) continue;
        isTold = true;
        process.stderr.write(slowText(view));
      } catch (error) {
        if (!isClientError(error, "unreachable", "unavailable", "timeout")) throw error;
        await untilEnded(); // waits, patiently, until the server is back
      }
    }
  } catch (error) {
    // It was there a moment ago: it has ended, and so has its program, which its record outlives.
    if (!isClientError(error, "not_found")) throw error;
    if (!isEndState(last.state)) return { state: "Swept", time: new Date().toISOString(), reason: "Requested" };
    const { ending: _, ...ended } = last;
    return ended;
  }
}

function isClientError(error: unknown, ...codes: ClientErrorCode[]): boolean {
  return error instanceof SpawnerClientError && codes.includes(error.code);
}

function outcomeOf(view: LastView): string {
  if (!isEndState(view.state)) return "was asked to end";
  return `has ended: ${view.reason}${view.ending === true ? "; its program has not gone yet" : ""}`;
}

function slowText({ name, reason, terminationGracePeriodSeconds: seconds }: BackendView): string {
  return `${name} has ended: ${reason}. Its program takes its time, and has up to ${seconds} s (--grace shortens that, on one machine).\n`;
}

function fieldsOf({ state, time, reason, message, ending }: LastView): LastView {
  const given = { reason, message, ending };
  return { state, time, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
}
