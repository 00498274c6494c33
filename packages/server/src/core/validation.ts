import type { TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { type Backend, type BackendSpec, specSchema } from "./resource.ts";

/** The parts of TypeBox's errors (the same as Ajv's) that a message needs. */
interface SchemaError {
  keyword: string;
  instancePath: string;
  params: object;
  message: string;
}

const longestShownValue = 60;
const mostProblems = 5;

/** `value` as JSON, cut where it is long. */
function show(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > longestShownValue ? `${text.slice(0, longestShownValue)}… (${text.length} characters)` : text;
}

function valueAt(root: unknown, instancePath: string): unknown {
  const keys = instancePath
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  return keys.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined),
    root,
  );
}

/** `/env/A` as `env.A`, and `/template/containers/0` as `template.containers[0]`. */
function nameOf(instancePath: string, whole: string): string {
  const path = instancePath
    .split("/")
    .slice(1)
    .map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key.replaceAll("~1", "/").replaceAll("~0", "~")}`))
    .join("");
  return path === "" ? whole : path.replace(/^\./, "");
}

const kindOf = (type: unknown) =>
  type === "object" ? "an object" : type === "integer" ? "a whole number" : type === "array" ? "an array" : `a ${type}`;

function need(error: SchemaError): string {
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case "type":
      return `must be ${[params.type].flat().map(kindOf).join(" or ")}`;
    case "minimum":
      return `must be at least ${params.limit}`;
    case "maximum":
      return `must be at most ${params.limit}`;
    case "minLength":
      return "must not be empty";
    case "maxLength":
      return `must have at most ${params.limit} characters`;
    case "minItems":
      return `must have at least ${params.limit} items`;
    case "maxItems":
      return `must have at most ${params.limit} items`;
    default:
      return error.message;
  }
}

/** What is wrong with `root`, one sentence each: the field, what is needed and what was given. */
function problemsOf(errors: readonly SchemaError[], root: unknown, whole: string, schema: TSchema): string[] {
  const problems = errors.flatMap((error) => {
    const field = nameOf(error.instancePath, whole);
    const params = error.params as Record<string, unknown>;
    if (error.keyword === "additionalProperties") {
      const known = Object.keys((schema as { properties?: object }).properties ?? {});
      const names = (params.additionalProperties as string[]).map((name) => JSON.stringify(name)).join(", ");
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
    // The twin of an additionalProperties error, and the sum of a union's: said better by the others.
    if (error.keyword === "boolean" || error.keyword === "anyOf") return [];
    return [`${field} ${need(error)}; ${show(valueAt(root, error.instancePath))} was given`];
  });
  const shown = [...new Set(problems)];
  return shown.length > mostProblems
    ? [...shown.slice(0, mostProblems), `and ${shown.length - mostProblems} more`]
    : shown;
}

const envNameRule =
  'a name is printable ASCII without "=" (and not empty), and PORT and SPAWNER_… are set by Spawner itself';

/** Checks values against a schema, compiled once. `whole` is what a message calls the value itself: "the body". */
export function makeChecker<Schema extends TSchema>(schema: Schema, whole: string): (value: unknown) => string[] {
  let validator: Validator | undefined;
  return (value) => {
    validator ??= Compile(schema);
    return validator.Check(value) ? [] : problemsOf(validator.Errors(value) as SchemaError[], value, whole, schema);
  };
}

const checkSpecSchema = makeChecker(specSchema, "spec");

/** Names that Spawner gives to the program itself. */
export function isReservedEnvName(name: string): boolean {
  return name === "PORT" || name.startsWith("SPAWNER_");
}

/** What is wrong with a spec, as sentences; empty if it can be run. */
export function problemsOfSpec(spec: BackendSpec): string[] {
  const problems = checkSpecSchema(spec);
  if (problems.length > 0) return problems;
  const names = spec.template.containers[0]?.env?.map((variable) => variable.name) ?? [];
  return names
    .filter((name) => name.startsWith("SPAWNER_"))
    .map((name) => `template.containers[0].env: ${name} is set by Spawner itself and cannot be given`);
}

/** What is wrong with a stored backend, as one sentence; undefined if it can be run. */
export function invalidity(backend: Backend): string | undefined {
  const problems = problemsOfSpec(backend.spec);
  return problems.length > 0 ? `The spec cannot be run: ${problems.join("; ")}.` : undefined;
}
