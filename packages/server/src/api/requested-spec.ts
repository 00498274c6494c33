import type { SpawnRequest } from "@spawner/client";
import { problemsOfEnvironment } from "../core/environment.ts";
import { SpawnerError } from "../core/errors.ts";
import { matchesImage } from "../core/image-patterns.ts";
import type { BackendSpec } from "../core/resource.ts";
import { type TemplateOptions, templateOf } from "./templates.ts";

/** Fields of a spec that the operator may give other defaults. */
type SpecDefaults = Partial<Pick<BackendSpec, "gracePeriodSeconds" | "silentConnectionSeconds">>;

/** How requests become specs. */
export interface SpecOptions extends TemplateOptions {
  /** For what requests and their templates leave out. */
  readonly defaults?: SpecDefaults;
  /** Images that callers may choose, as patterns (core/image-patterns.ts). Default: any. */
  readonly images?: readonly string[];
}

/** The spec that a request asks for; what it and its template leave out is left to the defaults. Throws invalid_request. */
export function requestedSpec(request: SpawnRequest, options: SpecOptions): BackendSpec {
  const template = templateOf(request, options);
  const { template: _, image, ...others } = request;
  if (!options.imageNamesTemplate) refuseImage(image, options);
  const fields = options.imageNamesTemplate ? others : { image, ...others };
  const spec = specOfFields(fields, { ...options.defaults, ...(template ?? plain) });
  refuseEnvironment(spec);
  return spec;
}

/** A spec without anything to run. */
const plain: BackendSpec = { template: { containers: [{ name: "application" }] } };

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

/** What the schema of a request cannot say. */
function refuseEnvironment({ template: { containers } }: BackendSpec): void {
  const names = { whole: "env", of: ({ name }: { name: string }) => `env.${name}` };
  const problems = problemsOfEnvironment(containers[0]?.env ?? [], names);
  if (problems.length > 0) throw new SpawnerError("invalid_request", `${problems.join("; ")}.`);
}
