import { once } from "node:events";
import { type SpawnerClient, SpawnerClientError } from "@spawner/client";
import { type ClientFlags, makeClient } from "./client-flags.ts";

export interface ClientAction {
  readonly client: SpawnerClient;
  /** Fires at Ctrl-C. A second one ends the process at once. */
  readonly signal: AbortSignal;
}

/** Runs what a command does with the API. */
export async function withClient(flags: ClientFlags, run: (action: ClientAction) => Promise<void>): Promise<void> {
  const client = makeClient(flags);
  const interruption = new AbortController();
  const onInterrupt = () => interruption.abort();
  process.once("SIGINT", onInterrupt);
  try {
    await run({ client, signal: interruption.signal });
  } catch (error) {
    throw withUrlHint(error, flags.url);
  } finally {
    process.off("SIGINT", onInterrupt);
  }
}

/** Writes to stdout, and waits where its reader is slow. */
export async function write(output: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(output)) await once(process.stdout, "drain");
}

/** A document as a line of its own. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** The gateway, too, answers what is asked of it; the usual slip is to leave `/api` out. */
function withUrlHint(error: unknown, url: string): unknown {
  if (!(error instanceof SpawnerClientError) || /\/api\/*$/.test(url)) return error;
  const { message, status, id, code } = error;
  if (code !== "not_found" && code !== "bad_answer") return error;
  const hint = `(asked was ${url}: an API's URL usually ends in /api)`;
  return new SpawnerClientError(code, `${message} ${hint}`, { cause: error, status, id });
}
