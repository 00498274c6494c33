import type { Argument, Command, Option } from "commander";

export interface Candidate {
  readonly word: string;
  readonly description?: string;
}

/** What can stand where the cursor is. */
export type Completion =
  | { readonly kind: "words"; readonly candidates: readonly Candidate[] }
  /** The id of a backend, of the API that the flags before it name. */
  | { readonly kind: "id"; readonly command: Command; readonly flags: ReadonlyMap<Option, string> }
  /** A file, or something that only the user knows. */
  | { readonly kind: "files" };

/** What the words before the cursor have told. */
interface Position {
  readonly command: Command;
  readonly argumentCount: number;
  readonly flags: ReadonlyMap<Option, string>;
  /** The flag whose value comes next. */
  readonly flag: Option | undefined;
  /** Behind `--`: nothing is a flag any more. */
  readonly literal: boolean;
}

/** What can be the last of `words`, which are those after the program's own name; it may be empty, and is only begun. */
export function completionOf(program: Command, words: readonly string[]): Completion {
  const start: Position = { command: program, argumentCount: 0, flags: new Map(), flag: undefined, literal: false };
  return completionAt(words.slice(0, -1).reduce(advance, start), words.at(-1) ?? "");
}

function advance(position: Position, word: string): Position {
  const { command, argumentCount, flags, flag, literal } = position;
  if (flag !== undefined) return { ...position, flags: new Map(flags).set(flag, word), flag: undefined };
  if (!literal && word === "--") return { ...position, literal: true };
  if (!literal && word.startsWith("-")) {
    const [name, value] = splitAtEquals(word);
    const found = findOption(command, name);
    if (found === undefined || !takesValue(found)) return position;
    return value === undefined
      ? { ...position, flag: found }
      : { ...position, flags: new Map(flags).set(found, value) };
  }
  const subcommand = literal ? undefined : command.commands.find((candidate) => candidate.name() === word);
  if (subcommand !== undefined) return { ...position, command: subcommand };
  return { ...position, argumentCount: argumentCount + 1 };
}

function completionAt({ command, argumentCount, flags, flag, literal }: Position, partial: string): Completion {
  if (flag !== undefined) return choices(flag.argChoices);
  if (!literal && partial.startsWith("-")) {
    const [name, value] = splitAtEquals(partial);
    return value === undefined ? optionsOf(command) : choices(findOption(command, name)?.argChoices, `${name}=`);
  }
  if (command.commands.length > 0) return subcommandsOf(command);
  const argument = argumentAt(command, argumentCount);
  if (argument === undefined) return literal ? { kind: "files" } : optionsOf(command);
  if (argument.name() === "id") return { kind: "id", command, flags };
  return choices(argument.argChoices);
}

function choices(words: readonly string[] | undefined, prefix = ""): Completion {
  if (words === undefined) return { kind: "files" };
  return { kind: "words", candidates: words.map((word) => ({ word: `${prefix}${word}` })) };
}

function optionsOf(command: Command): Completion {
  const candidates = command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, short, description }) => {
      const word = long ?? short;
      return word === undefined ? [] : [{ word, description }];
    });
  return { kind: "words", candidates };
}

function subcommandsOf(command: Command): Completion {
  const candidates = command
    .createHelp()
    .visibleCommands(command)
    .map((subcommand) => ({ word: subcommand.name(), description: subcommand.description() }));
  return { kind: "words", candidates };
}

function argumentAt({ registeredArguments }: Command, index: number): Argument | undefined {
  const last = registeredArguments.at(-1);
  return registeredArguments[index] ?? (last?.variadic === true ? last : undefined);
}

function findOption(command: Command, name: string): Option | undefined {
  return command.options.find(({ long, short }) => long === name || short === name);
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

/** `--flag=value` as its two halves; the second is undefined where there is no "=". */
function splitAtEquals(word: string): [string, string | undefined] {
  const index = word.indexOf("=");
  return index < 0 ? [word, undefined] : [word.slice(0, index), word.slice(index + 1)];
}
