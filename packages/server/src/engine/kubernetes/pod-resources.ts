import type { Container, Resources } from "./pod-object.ts";

/**
 * What the scheduler counts for the application, where its template says nothing: enough that a node is not filled with
 * Pods that count for nothing, and little enough that most small servers need more.
 */
const applicationRequests = { cpu: "50m", memory: "64Mi" };

/**
 * Of the sidecar: at rest it has 10 MB of its own, and 45 MB with what all of a node's sidecars share. The limit leaves room for
 * some ten thousand open connections; processor time has none, since one would delay every byte.
 */
export const sidecarResources: Resources = {
  requests: { cpu: "10m", memory: "48Mi" },
  limits: { memory: "256Mi" },
};

/** The application's, with a request for each resource that its template neither requests nor limits. */
export function applicationResources({ resources = {} }: Container): Resources {
  const missing = Object.entries(applicationRequests).filter(([name]) => resources.limits?.[name] === undefined);
  return { ...resources, requests: { ...Object.fromEntries(missing), ...resources.requests } };
}
