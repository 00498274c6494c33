import { Argument, type Command, type Option } from "commander";
import { isEndState } from "../core/states.ts";
import { type ClientFlags, makeClient } from "./client-flags.ts";
import { type Candidate, type Completion, completionOf } from "./completion-candidates.ts";
import { completionScript, type Shell, shells } from "./completion-scripts.ts";

/** Whoever presses Tab waits no longer than this for ids. */
const idsMs = 1_000;
const idsMax = 500;

const examples = `
Examples:
  source <(spawner completion bash)                                            in ~/.bashrc
  source <(spawner completion zsh)                                             in ~/.zshrc, after compinit
  spawner completion fish > ~/.config/fish/completions/spawner.fish            once`;

/** `completion SHELL`, and the hidden `complete`, which the scripts ask at each press of Tab. */
export function addCompletionCommands(program: Command): void {
  program
    .command("completion")
    .description("Print what makes a shell complete commands, flags and the ids of backends")
    .addArgument(new Argument("<shell>", "the shell").choices(shells))
    .addHelpText("after", examples)
    .action((shell: Shell) => {
      const self = [process.execPath, process.argv[1] ?? "spawner"]; // as this very process was started
      process.stdout.write(completionScript(shell, self));
    });
  program.command("complete <words...>", { hidden: true }).action(async (words: string[]) => {
    const candidates = await candidatesOf(completionOf(program, words));
    const fitting = candidates.filter(({ word }) => word.startsWith(words.at(-1) ?? ""));
    const lines = fitting.map(({ word, description = "" }) => `${word}\t${firstLine(description)}\n`);
    process.stdout.write(lines.join(""));
  });
}

async function candidatesOf(completion: Completion): Promise<readonly Candidate[]> {
  switch (completion.kind) {
    case "words":
      return completion.candidates;
    case "id":
      return liveBackends(completion.command.options, completion.flags);
    case "files":
      return [];
    default:
      return completion satisfies never;
  }
}

/** The ids of the backends that live, as the API says to which these flags lead. None where it cannot be asked. */
async function liveBackends(
  options: readonly Option[],
  given: ReadonlyMap<Option, string>,
): Promise<readonly Candidate[]> {
  const values = options.map((option): [string, unknown] => [
    option.attributeName(),
    given.get(option) ?? process.env[option.envVar ?? ""] ?? option.defaultValue,
  ]);
  try {
    const client = makeClient(Object.fromEntries(values) as unknown as ClientFlags);
    const { backends } = await client.list({ limit: idsMax, signal: AbortSignal.timeout(idsMs) });
    return backends
      .filter(({ state }) => !isEndState(state))
      .map(({ name, state }) => ({ word: name, description: state }));
  } catch {
    return []; // there is nobody to read an error: the words that were typed stay as they are
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
