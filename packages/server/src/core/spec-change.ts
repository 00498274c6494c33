import { isDeepStrictEqual } from "node:util";
import { hasReference } from "./environment.ts";
import { type BackendSpec, completeSpec } from "./resource.ts";

/**
 * Whether two specs run the same, in the same way. A default that is written out is the same as none, and variables are the
 * same in any order.
 */
export function runsTheSame(a: BackendSpec, b: BackendSpec): boolean {
  return isDeepStrictEqual(compared(a), compared(b));
}

/** Without the fields that say what becomes of a backend, or who asked for it, and not what it runs. */
function compared(spec: BackendSpec): object {
  const { key, user, requireToken, failuresBefore, stopRequested, stopRequestedAt, stopReason, stopWhenIdle, ...runs } =
    completeSpec(spec);
  const { containers } = runs.template;
  return { ...runs, template: { ...runs.template, containers: containers.map(withSortedEnv) } };
}

type Container = BackendSpec["template"]["containers"][number];

/** By name. Of two with one name the later one holds, so that those stay as they are (a sort is stable). */
function withSortedEnv(container: Container): Container {
  const { env = [], ...rest } = container;
  // Kubernetes puts the values of earlier variables into later ones: `$(NAME)`.
  const isOrdered = env.some(({ value = "" }) => hasReference(value));
  if (isOrdered) return container;
  return { ...rest, env: env.toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name))) };
}
