import type { Static } from "typebox";
import type { specSchema, statusSchema } from "./resource-schema.ts";
import { specDefaults } from "./spec-defaults.ts";

/** The resource `SessionLivedBackend`. Its types are those of its schemas, which nobody has to load for them. */
export const group = "spawner.dev";
export const version = "v1";
export const apiVersion = `${group}/${version}` as const;
export const kind = "SessionLivedBackend";

export type BackendSpec = Static<typeof specSchema>;
export type BackendStatus = Static<typeof statusSchema>;

/** What the store adds to a resource: identity, version, age, labels. */
interface BackendMetadata {
  readonly name: string;
  /** The generation: another for every backend, even one of the same name. */
  readonly uid: string;
  /** Grows with every write to this resource; opaque. */
  readonly resourceVersion: string;
  /** RFC 3339. */
  readonly creationTimestamp: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A backend as the store holds it. Snapshots are never changed in place. */
export interface Backend {
  readonly metadata: BackendMetadata;
  readonly spec: BackendSpec;
  readonly status: BackendStatus;
}

/** A backend to be created. */
export interface BackendDraft {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec: BackendSpec;
}

/** `spec` with every default filled in. `httpPort: null` is how 0.1.9 wrote "the default". */
export type CompleteSpec = Omit<BackendSpec, keyof typeof specDefaults> & Record<keyof typeof specDefaults, number>;

export function completeSpec(spec: BackendSpec): CompleteSpec {
  const { httpPort, ...rest } = spec;
  return { ...specDefaults, ...rest, httpPort: httpPort ?? specDefaults.httpPort };
}
