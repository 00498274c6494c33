import { Type } from "typebox";
import type { BackendSpec } from "../core/resource.ts";
import { templateSchema } from "../core/resource-schema.ts";
import { envPatternNeeds, makeChecker, problemsOfSpec } from "../core/validation.ts";
import { type SpecFields, specOfFields } from "./requested-spec.ts";
import { spawnRequestSchema } from "./schemas.ts";
import type { Template } from "./templates.ts";

/** What templates run: Pods of a cluster, or commands on this machine. */
export type TemplateKind = "pod" | "command";

/** What a template's file says, or what is wrong with it, in sentences. */
export type TemplateReading = { readonly template: Template } | { readonly problems: readonly string[] };

/** Names as environments have them, and `*` at the end of one for anything. */
const callerEnvPattern = "^[ -)+-<>-~]+\\*?$";

const { template: _, image, port, ...requested } = spawnRequestSchema.properties;
const anywhere = { callerEnv: Type.Optional(Type.Array(Type.String({ pattern: callerEnvPattern }))), ...requested };

const podTemplateSchema = Type.Object(
  { template: Type.Optional(templateSchema), image, port, ...anywhere },
  { additionalProperties: false },
);

const commandTemplateSchema = Type.Object(
  { command: Type.Array(Type.String(), { minItems: 1 }), workingDir: Type.Optional(Type.String()), ...anywhere },
  { additionalProperties: false },
);

const naming = {
  whole: "the template",
  patternNeeds: {
    ...envPatternNeeds,
    [callerEnvPattern]: 'must be the name of a variable, or the beginning of one with a "*" at its end',
  },
};
const checkPodTemplate = makeChecker(podTemplateSchema, naming);
const checkCommandTemplate = makeChecker(commandTemplateSchema, naming);

/** What the file of the template `name` has said, once it was parsed. */
export function readTemplate(name: string, value: unknown, kind: TemplateKind): TemplateReading {
  const problems = kind === "pod" ? checkPodTemplate(value) : checkCommandTemplate(value);
  if (problems.length > 0) return { problems };
  const { callerEnv, ...fields } = value as (PodTemplate | CommandTemplate) & Pick<Template, "callerEnv">;
  const spec = kind === "pod" ? podSpec(fields as PodTemplate) : commandSpec(name, fields as CommandTemplate);
  const unrunnable = [...problemsOfSpec(spec), ...problemsOfImage(spec, kind)];
  if (unrunnable.length > 0) return { problems: unrunnable };
  return { template: { spec, ...(callerEnv === undefined ? {} : { callerEnv }) } };
}

interface PodTemplate extends SpecFields {
  readonly template?: BackendSpec["template"];
}

function podSpec({ template = { containers: [{ name: "application" }] }, ...fields }: PodTemplate): BackendSpec {
  return specOfFields(fields, { template });
}

export interface CommandTemplate extends Omit<SpecFields, "image" | "port"> {
  /** Program and arguments; the program is looked up in the server's PATH. */
  readonly command: readonly string[];
  /** Default: the server's own. */
  readonly workingDir?: string;
}

/** A command as a spec. The template's name stands in the place of the image, where people see it. */
export function commandSpec(name: string, { command, workingDir, ...fields }: CommandTemplate): BackendSpec {
  const application = { name: "application", image: name, command: [...command] };
  const placed = workingDir === undefined ? application : { ...application, workingDir };
  return specOfFields(fields, { template: { containers: [placed] } });
}

function problemsOfImage({ template: { containers } }: BackendSpec, kind: TemplateKind): string[] {
  if (kind === "command" || containers[0]?.image !== undefined) return [];
  return ["image is missing, of the template or of its first container"];
}
