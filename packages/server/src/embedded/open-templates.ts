import { commandSpec, defaultTemplateName, type Templates, TemplatesFolder } from "../api/index.ts";
import { SpawnerError } from "../core/errors.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";

/** A command that backends may run: the operator's, never a caller's. */
interface Program {
  /** Program and arguments; the program is looked up in the server's PATH. */
  readonly command: readonly string[];
  /** Working directory. */
  readonly cwd: string;
}

/** What may be run; one of the two at least. */
export interface Programs {
  /** The template `default`. */
  readonly template?: Program;
  /** Folder of templates, each a file. */
  readonly templatesDir?: string;
}

/** Rejects with invalid_request where there is nothing to run, or a template cannot be used. */
export async function openTemplates(programs: Programs, deps: { clock: Clock; log: Log }): Promise<Templates> {
  const { template, templatesDir } = programs;
  const folder =
    templatesDir === undefined ? undefined : await TemplatesFolder.open(templatesDir, { ...deps, kind: "command" });
  if (template === undefined) {
    if (folder !== undefined) return folder;
    throw new SpawnerError("invalid_request", "A command or a folder of templates is needed; neither was given.");
  }
  if (folder?.find(defaultTemplateName) !== undefined) {
    throw new SpawnerError(
      "invalid_request",
      `The command that was given is the template "${defaultTemplateName}", and ${templatesDir} has one of that name, too.`,
    );
  }
  const spec = commandSpec(defaultTemplateName, { command: template.command, workingDir: template.cwd });
  return {
    find: (name) => (name === defaultTemplateName ? { spec } : folder?.find(name)),
    names: () => [defaultTemplateName, ...(folder?.names() ?? []).filter((name) => name !== defaultTemplateName)],
  };
}
