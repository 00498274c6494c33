import { isReservedEnvName } from "./environment.ts";
import { type Backend, completeSpec } from "./resource.ts";

/** What an engine needs to know of a backend to run it, whatever it runs it in. */
export interface Workload {
  readonly name: string;
  readonly uid: string;
  /** Greater than that of every earlier backend of its name. */
  readonly fencingToken: string;
  readonly command: readonly string[] | undefined;
  readonly args: readonly string[] | undefined;
  readonly workingDir: string | undefined;
  /** The program's environment as the caller and Spawner want it, PORT excepted: the engine knows that. */
  readonly env: Readonly<Record<string, string>>;
  readonly httpPort: number;
  readonly gracePeriodSeconds: number;
  readonly firstClientSeconds: number;
  readonly silentConnectionSeconds: number;
  readonly terminationGracePeriodSeconds: number;
}

/** Builds the workload of a valid backend. What Spawner sets cannot be overridden by a spec. */
export function buildWorkload(backend: Backend): Workload {
  const spec = completeSpec(backend.spec);
  const application = spec.template.containers[0];
  const given = (application?.env ?? []).filter(({ name }) => !isReservedEnvName(name));
  return {
    name: backend.metadata.name,
    uid: backend.metadata.uid,
    fencingToken: fencingTokenOf(backend),
    command: application?.command,
    args: application?.args,
    workingDir: application?.workingDir,
    env: {
      ...Object.fromEntries(given.map(({ name, value }) => [name, value ?? ""])),
      ...variablesOf(backend),
    },
    httpPort: spec.httpPort,
    gracePeriodSeconds: spec.gracePeriodSeconds,
    firstClientSeconds: spec.firstClientSeconds,
    silentConnectionSeconds: spec.silentConnectionSeconds,
    terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds,
  };
}

/** What a program is told of itself. Nobody else can set these. */
export function variablesOf(backend: Backend): Record<string, string> {
  const { key } = backend.spec;
  return {
    SPAWNER_BACKEND: identityOf(backend),
    SPAWNER_FENCING_TOKEN: fencingTokenOf(backend),
    ...(key === undefined ? {} : { SPAWNER_KEY: key }),
  };
}

/** Of the version that its controller saw, which is later than anything of an earlier backend of its name. */
export function fencingTokenOf({ metadata }: Pick<Backend, "metadata">): string {
  return metadata.resourceVersion;
}

/** `<name>/<uid>`: names one generation of a backend, in the program's environment and in `x-spawner-backend`. */
export function identityOf({ metadata }: Pick<Backend, "metadata">): string {
  return `${metadata.name}/${metadata.uid}`;
}

/** Whether an identity is of a backend's name: of this generation, or of one before or after it. */
export function isIdentityOfName(identity: string, { metadata }: Pick<Backend, "metadata">): boolean {
  return identity.startsWith(`${metadata.name}/`);
}
