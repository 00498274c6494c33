import type { BackendView, SpawnRequest, SpawnResponse } from "@spawner/client";
import type { NameMapping } from "../core/names.ts";
import { type Backend, type BackendSpec, completeSpec } from "../core/resource.ts";
import { hasEnded, statusHistory, statusMessage } from "../core/status.ts";

export interface UrlConfig {
  /** Base of readyUrl and statusUrl. Default: they are left out. */
  readonly apiServerBase?: string;
  /** URL of a backend, `{}` stands for its id. Default: it is left out. */
  readonly urlTemplate?: string;
}

/** Fields of a spec that the operator may give other defaults. */
export type SpecDefaults = Partial<Pick<BackendSpec, "gracePeriodSeconds">>;

/** The spec that a request asks for; what it leaves out is left to the defaults. */
export function specOfRequest({ image, port, env = {}, ...times }: SpawnRequest, defaults: SpecDefaults): BackendSpec {
  return {
    template: {
      containers: [{ name: "application", ...(image === undefined ? {} : { image }), env: variablesOf(env) }],
    },
    ...(port === undefined ? {} : { httpPort: port }),
    ...defaults,
    ...withoutUndefined(times),
  };
}

/** An environment as containers have it. */
export function variablesOf(env: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(env).map(([name, value]) => ({ name, value }));
}

/** What is undefined is left out, and must not take the place of a default. */
function withoutUndefined<Name extends string, Value>(fields: { [Key in Name]?: Value | undefined }) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [Key in Name]?: Value };
}

export function urlOf(id: string, { urlTemplate }: UrlConfig): string | undefined {
  return urlTemplate?.replaceAll("{}", id);
}

export function spawnResponse(id: string, urls: UrlConfig): SpawnResponse {
  const url = urlOf(id, urls);
  const base = urls.apiServerBase?.replace(/\/$/, "");
  return {
    ...(url === undefined ? {} : { url }),
    name: id,
    ...(base === undefined
      ? {}
      : { readyUrl: `${base}/backend/${id}/ready`, statusUrl: `${base}/backend/${id}/status` }),
  };
}

/** How backends are shown. */
interface ViewConfig {
  readonly names: NameMapping;
  readonly urls: UrlConfig;
}

/**
 * What clients see of a backend, of which there still is a workload or is not; undefined where it has no id among these
 * names.
 */
export function viewOf(
  { backend, hasWorkload }: { backend: Backend; hasWorkload: boolean },
  { names, urls }: ViewConfig,
): BackendView | undefined {
  const id = names.idOf(backend.metadata.name);
  if (id === undefined) return undefined;
  const url = urlOf(id, urls);
  const { gracePeriodSeconds, terminationGracePeriodSeconds } = completeSpec(backend.spec);
  return {
    name: id,
    ...statusMessage(backend),
    ...(url === undefined ? {} : { url }),
    createdAt: backend.metadata.creationTimestamp,
    transitions: statusHistory(backend),
    gracePeriodSeconds,
    terminationGracePeriodSeconds,
    ...(hasEnded(backend) && hasWorkload ? { ending: true } : {}),
  };
}
