import type { Backend } from "../../core/resource.ts";
import { apiVersion, kind } from "../../core/resource.ts";
import type { WorkloadIdentity } from "../engine.ts";
import type { KubeObject, OwnerReference } from "./objects.ts";

/** Says of every Pod of ours which generation of a backend it is of. */
export const backendUidLabel = "spawner.dev/backend-uid";

/** What the program of the Pod was told as SPAWNER_FENCING_TOKEN. */
export const fencingTokenAnnotation = "spawner.dev/fencing-token";
const managedByLabel = "app.kubernetes.io/managed-by";
const manager = "spawner";

export const sidecarName = "spawner-sidecar";

/** What is ours among the labels of a Pod: no label of a user's can take its place. */
export function podLabels({ metadata }: Backend, { compat = false }: { compat?: boolean }): Record<string, string> {
  return {
    [managedByLabel]: manager,
    "spawner.dev/backend": metadata.name,
    [backendUidLabel]: metadata.uid,
    ...(compat ? { run: metadata.name } : {}),
  };
}

/** Finds every Pod of ours, and those that only look like ours. */
export const podsSelector = `${managedByLabel}=${manager},${backendUidLabel}`;

/**
 * Whether a Pod of ours has no owner any more, as `kubectl delete slab --cascade=orphan` leaves it: no Pod is made without one.
 * One that is to end is not meant.
 */
export function isOrphaned({ metadata }: KubeObject): boolean {
  const { labels = {}, ownerReferences = [], deletionTimestamp } = metadata;
  if (ownerReferences.length > 0 || deletionTimestamp !== undefined) return false;
  return labels[managedByLabel] === manager && labels[backendUidLabel] !== undefined;
}

/** Label names that a user's label cannot have on a Pod: a Service of 0.1.9's selects by `run`. */
export function isOurLabel(name: string): boolean {
  return name.startsWith("spawner.dev/") || name === managedByLabel || name === "run";
}

/** What is deleted with the backend. */
export function ownerReferenceTo({ metadata: { name, uid } }: { metadata: WorkloadIdentity }): OwnerReference {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: false };
}

/** Which generation of a backend an object was made for; undefined for what is not ours. */
export function ownerOf({ metadata }: KubeObject): WorkloadIdentity | undefined {
  const owner = metadata.ownerReferences?.find((reference) => reference.controller);
  return owner?.kind === kind && owner.apiVersion === apiVersion ? { name: owner.name, uid: owner.uid } : undefined;
}
