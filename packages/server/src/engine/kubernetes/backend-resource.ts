import { apiVersion, type Backend, type BackendDraft, group, kind, version } from "../../core/resource.ts";
import type { KubeObject } from "./objects.ts";

/** A SessionLivedBackend as the API server has it, whoever wrote it. */
export interface BackendResource extends KubeObject {
  readonly spec: Backend["spec"];
  readonly status?: Backend["status"];
}

/** Of the collection of a namespace. */
export function backendsPath(namespace: string): string {
  return `/apis/${group}/${version}/namespaces/${namespace}/sessionlivedbackends`;
}

/** What the roles know of it: managed fields, annotations and owners are nobody's business. */
export function backendOf(object: KubeObject): Backend {
  const { metadata, spec, status } = object as BackendResource;
  const { name, uid, resourceVersion, creationTimestamp, labels } = metadata;
  return {
    metadata: { name, uid, resourceVersion, creationTimestamp, labels: labels ?? {} },
    spec,
    status: status ?? {},
  };
}

export function resourceOf({ name, labels, spec }: BackendDraft) {
  return { apiVersion, kind, metadata: { name, labels }, spec };
}
