import type { TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { problemsOfEnvironment } from "./environment.ts";
import { idOfKey } from "./keyed-id.ts";
import type { Backend, BackendSpec } from "./resource.ts";
import { envNamePattern, envValuePattern, specSchema } from "./resource-schema.ts";
import { kindOf, show, showAt, variableAt } from "./shown-value.ts";

/** The parts of TypeBox's errors (the same as Ajv's) that a message needs. */
interface SchemaError {
  keyword: string;
  schemaPath: string;
  instancePath: string;
  params: object;
  message: string;
}

const mostProblems = 5;

/** `/env/A` as `env.A`, and `/template/containers/0` as `template.containers[0]`. */
function nameOf(instancePath: string, whole: string): string {
  const path = instancePath
    .split("/")
    .slice(1)
    .map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key.replaceAll("~1", "/").replaceAll("~0", "~")}`))
    .join("");
  return path === "" ? whole : path.replace(/^\./, "");
}

const count = (limit: unknown, unit: string) => `${limit} ${unit}${limit === 1 ? "" : "s"}`;

/** What is needed where a pattern is not met, by the pattern: nobody should have to read one. */
export type PatternNeeds = Readonly<Record<string, string>>;

function need(error: SchemaError, patternNeeds: PatternNeeds): string {
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case "type":
      return `must be ${[params.type].flat().map(kindOf).join(" or ")}`;
    case "minimum":
      return `must be at least ${params.limit}`;
    case "maximum":
      return `must be at most ${params.limit}`;
    case "minLength":
      return params.limit === 1 ? "must not be empty" : `must have at least ${count(params.limit, "character")}`;
    case "maxLength":
      return `must have at most ${count(params.limit, "character")}`;
    case "minItems":
      return `must have at least ${count(params.limit, "item")}`;
    case "maxItems":
      return `must have at most ${count(params.limit, "item")}`;
    case "minProperties":
      return `must have at least ${count(params.limit, "field")}`;
    case "maxProperties":
      return `must have at most ${count(params.limit, "field")}`;
    case "enum":
      return `must be one of ${(params.allowedValues as unknown[]).map(show).join(", ")}`;
    case "pattern":
      return patternNeeds[String(params.pattern)] ?? error.message;
    default:
      return error.message;
  }
}

/** What messages are made from, beside the value. */
interface Told {
  readonly whole: string;
  readonly schema: TSchema;
  readonly patternNeeds: PatternNeeds;
}

/** What is wrong with `root`, one sentence each: the field, what is needed and what was given. */
function problemsOf(errors: readonly SchemaError[], root: unknown, { whole, schema, patternNeeds }: Told): string[] {
  const { properties = {}, minProperties, maxProperties } = schema as ObjectKeywords;
  const known = Object.keys(properties);
  const problems = errors.flatMap((error) => {
    const field = nameOf(error.instancePath, whole);
    const params = error.params as Record<string, unknown>;
    if (isSaidByAnother(error, errors)) return [];
    if (error.keyword === "additionalProperties") {
      const names = listed(params.additionalProperties as string[]);
      return error.instancePath === "" && known.length > 0
        ? [`unknown field ${names}; known are ${known.join(", ")}`]
        : [
            `${field} must not have the name ${names}; ${error.instancePath === "/env" ? envNameRule : "it is unknown"}`,
          ];
    }
    if (error.keyword === "required") {
      const missing = (params.requiredProperties ?? [params.missingProperty]) as string[];
      return missing.map((name) => `${field === whole ? "" : `${field}.`}${name} is missing`);
    }
    if (
      error.instancePath === "" &&
      minProperties === 1 &&
      maxProperties === 1 &&
      error.keyword.endsWith("Properties")
    ) {
      const given = Object.keys(Object(root)).length; // which may be secrets
      return [`exactly one of ${known.join(" and ")} is needed; ${given === 0 ? "none was" : `${given} were`} given`];
    }
    const variable = variableAt(root, error.instancePath);
    return [`${field}${variable} ${need(error, patternNeeds)}; ${showAt(root, error.instancePath)} was given`];
  });
  const shown = problems.length > 0 ? [...new Set(problems)] : [`${whole} is not as it must be`];
  return shown.length > mostProblems
    ? [...shown.slice(0, mostProblems), `and ${shown.length - mostProblems} more`]
    : shown;
}

interface ObjectKeywords {
  readonly properties?: object;
  readonly minProperties?: number;
  readonly maxProperties?: number;
}

/** Names that somebody made up, as many as anybody reads. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, mostProblems).map(show).join(", ");
  return names.length > mostProblems ? `${shown} and ${names.length - mostProblems} more` : shown;
}

/** Of one fault one sentence is enough. */
function isSaidByAnother(error: SchemaError, errors: readonly SchemaError[]): boolean {
  const { keyword, instancePath } = error;
  // The twin of an additionalProperties error, and the sum of a union's.
  if (keyword === "boolean" || keyword === "anyOf") return true;
  // Nobody means null: it may stand in the place of a value, and the value's own error says what is needed.
  const isNull = ({ params, schemaPath }: SchemaError) =>
    (params as { type?: unknown }).type === "null" && schemaPath.includes("/anyOf/");
  if (isNull(error)) return true;
  const beside = errors.filter((other) => other.instancePath === instancePath && !isNull(other));
  // What is empty meets no pattern, and half a number is not looked at for its size.
  if (keyword === "pattern") return beside.some((other) => other.keyword === "minLength");
  if (keyword === "minimum" || keyword === "maximum") return beside.some((other) => other.keyword === "type");
  return false;
}

const envNameRule =
  'a name is printable ASCII without "=" (and not empty), and PORT and SPAWNER_… are set by Spawner itself';

/** Checks values against a schema, compiled once. `whole` is what a message calls the value itself: "the body". */
export function makeChecker<Schema extends TSchema>(
  schema: Schema,
  { whole, patternNeeds = {} }: { whole: string; patternNeeds?: PatternNeeds },
): (value: unknown) => string[] {
  let validator: Validator | undefined;
  return (value) => {
    validator ??= Compile(schema);
    if (validator.Check(value)) return [];
    return problemsOf(validator.Errors(value) as SchemaError[], value, { whole, schema, patternNeeds });
  };
}

/** Of environment variables, wherever they are given. */
export const envPatternNeeds: PatternNeeds = {
  [envNamePattern]: 'must be printable ASCII without "=", and not empty',
  [envValuePattern]: "must not have a zero byte",
};

const checkSpecSchema = makeChecker(specSchema, { whole: "spec", patternNeeds: envPatternNeeds });

/** What is wrong with a spec, as sentences; empty if it can be run. */
export function problemsOfSpec(spec: BackendSpec): string[] {
  const problems = checkSpecSchema(spec);
  if (problems.length > 0) return problems;
  const { containers } = spec.template;
  const names = containers[0]?.env?.map((variable) => variable.name) ?? [];
  const reserved = names
    .filter((name) => name.startsWith("SPAWNER_"))
    .map((name) => `template.containers[0].env: ${name} is set by Spawner itself and cannot be given`);
  return [...reserved, ...containers.flatMap(({ env = [] }, index) => problemsOfContainerEnv(env, index))];
}

type ContainerEnv = Parameters<typeof problemsOfEnvironment>[0];

function problemsOfContainerEnv(env: ContainerEnv, containerIndex: number): string[] {
  const whole = `template.containers[${containerIndex}].env`;
  return problemsOfEnvironment(env, {
    whole,
    of: ({ name }, index) => `${whole}[${index}].value (of ${show(name)})`,
  });
}

/** What is wrong with a stored backend, as one sentence; undefined if it can be run. */
export function invalidity({ metadata, spec }: Backend): string | undefined {
  const problems = [...problemsOfSpec(spec), ...problemsOfKey(metadata.name, spec)];
  return problems.length > 0 ? `The spec cannot be run: ${problems.join("; ")}.` : undefined;
}

/** Only by its name does a backend stand for a key: else there could be two of one. */
function problemsOfKey(name: string, { key }: BackendSpec): string[] {
  if (typeof key !== "string" || name.endsWith(idOfKey(key))) return [];
  return [`key: the name of its backend must end with ${idOfKey(key)}; ${show(name)} was given`];
}
