import { type ClientErrorCode, SpawnerClientError } from "@spawner/client";
import { CommanderError } from "commander";
import { isSpawnerError } from "../core/errors.ts";
import { exitCodes } from "./exit-codes.ts";
import { oneLine } from "./printable.ts";

/** What the user has asked for cannot be: a flag's value, or two that contradict each other. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const exitCodeOf: Partial<Record<ClientErrorCode, number>> = {
  invalid_request: exitCodes.usage,
  not_found: exitCodes.noSuchBackend,
  backend_ended: exitCodes.backendEnded,
  unreachable: exitCodes.unreachable,
  bad_answer: exitCodes.unreachable,
  timeout: exitCodes.unreachable,
  aborted: exitCodes.interrupted,
};

/** What the user can do about it. */
const hints: Partial<Record<ClientErrorCode, string>> = {
  not_found: "`spawner ls` shows those there are.",
  unauthorized: "Give a token: --token-file <file>, or SPAWNER_TOKEN.",
  unreachable: "Does Spawner run there? Another API is named by --url or SPAWNER_URL.",
  timeout: "Does Spawner run there? Another API is named by --url or SPAWNER_URL.",
  bad_answer: "Another API is named by --url or SPAWNER_URL.",
};

/** Says on stderr, in one line, what went wrong and what to do. Returns what to exit with. */
export function reportFailure(error: unknown): number {
  // Commander has said it already, or it was help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (!(error instanceof SpawnerClientError)) {
    say((error as Error).message);
    return error instanceof UsageError || isSpawnerError(error, "invalid_request")
      ? exitCodes.usage
      : exitCodes.failure;
  }
  const exitCode = exitCodeOf[error.code] ?? exitCodes.failure;
  if (exitCode !== exitCodes.interrupted) say([oneLine(error.message), hints[error.code]].join(" ").trim());
  return exitCode;
}

function say(message: string): void {
  process.stderr.write(`spawner: ${message}\n`);
}
