import { SpawnerError } from "../../core/errors.ts";

/** A command that backends may run: the operator's, never a caller's. */
export interface CommandTemplate {
  /** Program and arguments; the program is looked up in PATH. */
  readonly command: readonly string[];
  /** Working directory. */
  readonly cwd: string;
  /** Environment beside that of the server itself. */
  readonly env?: Readonly<Record<string, string>>;
}

export type CommandTemplates = ReadonlyMap<string, CommandTemplate>;

/** The template that `image` names; the only one where none is named. Throws invalid_request. */
export function findTemplate(templates: CommandTemplates, image: string | undefined): CommandTemplate {
  const names = [...templates.keys()];
  const name = image ?? (names.length === 1 ? names[0] : undefined);
  const template = name === undefined ? undefined : templates.get(name);
  if (template !== undefined) return template;
  const given =
    image === undefined ? "No image was given" : `There is no template with the name ${JSON.stringify(image)}`;
  throw new SpawnerError(
    "invalid_request",
    `${given}; "image" is the name of a template here: ${names.map((known) => JSON.stringify(known)).join(", ")}.`,
  );
}
