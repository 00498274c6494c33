import type { SpawnRequest } from "@spawner/client";
import { SpawnerError } from "../core/errors.ts";
import type { BackendSpec } from "../core/resource.ts";

/** What is run under a name, and is the operator's. */
export interface Template {
  readonly spec: BackendSpec;
  /** Variables that callers may set: names, and beginnings of names that end in `*`. Default: all that choose no code. */
  readonly callerEnv?: readonly string[];
}

/** What callers may name, so that they need not say what is run. */
export interface Templates {
  /** The template of this name; undefined where there is none. */
  find(name: string): Template | undefined;
  names(): readonly string[];
}

export interface TemplateOptions {
  /** Default: there are none. */
  readonly templates?: Templates;
  /** Whether callers may not choose images, and have to take a template. */
  readonly templatesOnly?: boolean;
  /** Whether `image` is the name of a template as well: where images are nothing that could be run. */
  readonly imageNamesTemplate?: boolean;
}

/** Of the template that is taken where several are there and none is named. */
export const defaultTemplateName = "default";
/** Of the names that a message lists. */
const shownNamesMax = 20;

/**
 * The template that a request is about: the one it names; where it names neither a template nor an image, the default, which is the
 * only one where there is only one. Undefined: there is none, and the request says all that is to run. Throws invalid_request.
 */
export function templateOf({ template, image }: SpawnRequest, options: TemplateOptions): Template | undefined {
  const { templates = noTemplates, templatesOnly = false, imageNamesTemplate = false } = options;
  if (imageNamesTemplate && template !== undefined && image !== undefined && template !== image) {
    throw new SpawnerError("invalid_request", "template and image both name a template here; one of them is needed.");
  }
  if (templatesOnly && image !== undefined) {
    throw new SpawnerError(
      "invalid_request",
      `image cannot be chosen here (--templates-only): name a template instead; ${listed(templates)}.`,
    );
  }
  const named = template ?? (imageNamesTemplate ? image : undefined);
  if (named !== undefined) return namedTemplate(named, templates);
  if (image !== undefined) return undefined;
  const found = templates.find(defaultName(templates));
  if (found !== undefined || !(templatesOnly || imageNamesTemplate)) return found;
  throw new SpawnerError("invalid_request", `template is missing; ${listed(templates)}.`);
}

const noTemplates: Templates = { find: () => undefined, names: () => [] };

function namedTemplate(name: string, templates: Templates): Template {
  const found = templates.find(name);
  if (found !== undefined) return found;
  const given = JSON.stringify(name);
  throw new SpawnerError("invalid_request", `There is no template with the name ${given}; ${listed(templates)}.`);
}

function defaultName(templates: Templates): string {
  const [first, ...more] = templates.names();
  return first !== undefined && more.length === 0 ? first : defaultTemplateName;
}

/** What callers can name, where they have to name a template; undefined where there is one for those who name none. */
export function choiceOf(templates: Templates): string | undefined {
  return templates.find(defaultName(templates)) === undefined ? listed(templates) : undefined;
}

/** Whoever may start backends may know what there is to start. */
function listed(templates: Templates): string {
  const names = templates.names();
  if (names.length === 0) return "there are no templates here (--templates)";
  const shown = names.slice(0, shownNamesMax).map((name) => JSON.stringify(name));
  const more = names.length > shown.length ? `, and ${names.length - shown.length} more` : "";
  return `known are ${shown.join(", ")}${more}`;
}
