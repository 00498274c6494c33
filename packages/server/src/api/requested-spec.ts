import type { SpawnRequest } from "@spawner/client";
import { literalValue, problemsOfEnvironment } from "../core/environment.ts";
import { SpawnerError } from "../core/errors.ts";
import { matchesImage } from "../core/image-patterns.ts";
import type { BackendSpec } from "../core/resource.ts";
import { refuseCallerVariables } from "./caller-environment.ts";
import { type Template, type TemplateOptions, templateOf } from "./templates.ts";

/** Fields of a spec that the operator may give other defaults. */
type SpecDefaults = Partial<Pick<BackendSpec, "gracePeriodSeconds" | "silentConnectionSeconds">>;

/** How requests become specs. */
export interface SpecOptions extends TemplateOptions {
  /** For what requests and their templates leave out. */
  readonly defaults?: SpecDefaults;
  /** Images that callers may choose, as patterns (core/image-patterns.ts). Default: any. */
  readonly images?: readonly string[];
  /** Whether the engine puts other variables' values in the place of `$(NAME)`, as Kubernetes does. Default false. */
  readonly expandsEnv?: boolean;
  /** Whether callers take this for 0.1.9, whose values Kubernetes expanded. Default false. */
  readonly compat?: boolean;
}

/** The spec that a request asks for; what it and its template leave out is left to the defaults. Throws invalid_request. */
export function requestedSpec(request: SpawnRequest, options: SpecOptions): BackendSpec {
  const template = templateOf(request, options);
  if (options.imageNamesTemplate) refusePort(request.port);
  const { template: _, image, env = {}, ...others } = request;
  if (!options.imageNamesTemplate) refuseImage(image, options);
  const mayChooseCode = choosesFreely(template, options);
  refuseCallerVariables(Object.keys(env), { callerEnv: template?.callerEnv, mayChooseCode });
  const fields = { ...others, env: storedEnv(env, template, options) };
  const named = options.imageNamesTemplate ? fields : { image, ...fields };
  const spec = specOfFields(named, { ...options.defaults, ...(template?.spec ?? plain) });
  refuseEnvironment(spec);
  return spec;
}

/** A spec without anything to run. */
const plain: BackendSpec = { template: { containers: [{ name: "application" }] } };

/** Whoever may run any image may run anything. */
function choosesFreely(
  template: Template | undefined,
  { imageNamesTemplate = false, templatesOnly = false, images }: SpecOptions,
): boolean {
  return template === undefined && images === undefined && !imageNamesTemplate && !templatesOnly;
}

/**
 * A caller's values are themselves: `$(NAME)` would give away what a template has from a Secret. Callers of 0.1.9 refer to
 * variables, and without a template there are none but theirs.
 */
function storedEnv(
  env: Readonly<Record<string, string>>,
  template: Template | undefined,
  { expandsEnv = false, compat = false }: SpecOptions,
): Readonly<Record<string, string>> {
  if (!expandsEnv || (compat && template === undefined)) return env;
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, literalValue(value)]));
}

/** What a request or a template's file may say of its application, beside all else that a template has. */
export type SpecFields = Omit<SpawnRequest, "template">;

/** The spec with these fields over those that it has; its environment keeps the variables that are not given. */
export function specOfFields({ image, port, env = {}, ...times }: SpecFields, spec: BackendSpec): BackendSpec {
  const { containers, ...pod } = spec.template;
  const [application = {}, ...others] = containers;
  const kept = (application.env ?? []).filter(({ name }) => !Object.hasOwn(env, name));
  return {
    ...spec,
    template: {
      ...pod,
      containers: [
        { ...application, ...(image === undefined ? {} : { image }), env: [...kept, ...variablesOf(env)] },
        ...others,
      ],
    },
    ...(port === undefined ? {} : { httpPort: port }),
    ...withoutUndefined(times),
  };
}

/** An environment as containers have it. */
function variablesOf(env: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(env).map(([name, value]) => ({ name, value }));
}

/** What is undefined is left out, and must not take the place of a default. */
function withoutUndefined<Name extends string, Value>(fields: { [Key in Name]?: Value | undefined }) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [Key in Name]?: Value };
}

function refuseImage(image: string | undefined, { images }: SpecOptions): void {
  if (image === undefined || images === undefined || images.some((pattern) => matchesImage(pattern, image))) return;
  throw new SpawnerError(
    "invalid_request",
    `image must be one of those that are allowed here (--images); ${JSON.stringify(image)} was given.`,
  );
}

/** On one machine, where each program is given a free port of its own. */
function refusePort(port: number | undefined): void {
  if (port === undefined) return;
  throw new SpawnerError(
    "invalid_request",
    `port cannot be chosen here: each program has to listen on the one that it is given as PORT; ${port} was given.`,
  );
}

/** What the schema of a request cannot say. */
function refuseEnvironment({ template: { containers } }: BackendSpec): void {
  const names = { whole: "env", of: ({ name }: { name: string }) => `env.${name}` };
  const problems = problemsOfEnvironment(containers[0]?.env ?? [], names);
  if (problems.length > 0) throw new SpawnerError("invalid_request", `${problems.join("; ")}.`);
}
