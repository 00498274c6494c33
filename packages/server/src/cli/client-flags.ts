import { readFileSync } from "node:fs";
import { SpawnerClient } from "@spawner/client";
import { type Command, InvalidArgumentError, type Option } from "commander";
import { flag, switchFlag } from "./flags.ts";
import { patientFetch } from "./patient-fetch.ts";
import { UsageError } from "./report-failure.ts";

/** What every command takes that speaks to an API. */
export interface ClientFlags {
  url: string;
  tokenFile?: string;
}

/** Where `spawner dev` and `spawner serve` have it, unless they are told otherwise. */
const localUrl = "http://127.0.0.1:8080/api";

/** A command that speaks to an API. */
export function addClientCommand(program: Command, nameAndArgs: string): Command {
  return program
    .command(nameAndArgs)
    .helpGroup("Commands that speak to a Spawner API:")
    .addOption(flag("--url <url>", "the API's URL").default(localUrl))
    .addOption(
      flag("--token-file <file>", "holds the API's bearer token; SPAWNER_TOKEN can be the token itself instead"),
    );
}

export function jsonFlag(): Option {
  return switchFlag("--json", "print one JSON document a line, for programs");
}

/** Throws a UsageError where the flags are none to make a client of. */
export function makeClient({ url, tokenFile }: ClientFlags): SpawnerClient {
  const token = tokenFile === undefined ? process.env.SPAWNER_TOKEN || undefined : readToken(tokenFile);
  try {
    return new SpawnerClient({ url, token, fetch: patientFetch });
  } catch (error) {
    throw new UsageError(`${(error as Error).message} (--url, --token-file)`, { cause: error });
  }
}

/** The first token of a file as servers have them: one a line, with comments. */
function readToken(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`The token file cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const lines = text.split("\n").map((line) => line.trim());
  const token = lines.find((line) => line !== "" && !line.startsWith("#"));
  if (token === undefined) throw new UsageError(`There is no token in ${file}; one is needed, in a line of its own.`);
  return token;
}

/** Collects `name=value` of a flag that may be repeated. */
export function parsePair(text: string, before: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError("name=value is needed.");
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}
