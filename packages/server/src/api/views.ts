import type { BackendView, SpawnResponse } from "@spawner/client";
import type { NameMapping } from "../core/names.ts";
import { type Backend, completeSpec } from "../core/resource.ts";
import { hasEnded, statusHistory, statusMessage } from "../core/status.ts";

export interface UrlConfig {
  /** Base of readyUrl and statusUrl. Default: they are left out. */
  readonly apiServerBase?: string;
  /** URL of a backend, `{}` stands for its id. Default: it is left out. */
  readonly urlTemplate?: string;
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
  const { key, user, gracePeriodSeconds, terminationGracePeriodSeconds } = completeSpec(backend.spec);
  return {
    name: id,
    generation: backend.metadata.uid,
    ...(key === undefined ? {} : { key }),
    ...(user === undefined ? {} : { user }),
    ...statusMessage(backend),
    ...(url === undefined ? {} : { url }),
    createdAt: backend.metadata.creationTimestamp,
    transitions: statusHistory(backend),
    gracePeriodSeconds,
    terminationGracePeriodSeconds,
    ...(hasEnded(backend) && hasWorkload ? { ending: true } : {}),
  };
}
