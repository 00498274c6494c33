import { isReservedEnvName } from "../../core/environment.ts";
import { type Backend, completeSpec } from "../../core/resource.ts";
import { variablesOf } from "../../core/workload.ts";
import type { Container, EnvVar } from "./pod-object.ts";

/**
 * The application's environment. What Spawner sets comes first, so that a value of the user's can refer to it, as `$(PORT)`,
 * and what the user gives under such a name is left out. A program that chooses its port itself is told none.
 */
export function applicationEnvironment(backend: Backend, { env = [] }: Container): EnvVar[] {
  const { httpPort } = completeSpec(backend.spec);
  const ours = [
    ...(httpPort === 0 ? [] : [{ name: "PORT", value: String(httpPort) }]),
    ...Object.entries(variablesOf(backend)).map(([name, value]) => ({ name, value: literal(value) })),
  ];
  const isFree = (name: string) => !isReservedEnvName(name) || (name === "PORT" && httpPort === 0);
  return [...ours, ...env.filter(({ name }) => isFree(name))];
}

/** Kubernetes takes `$(NAME)` for another variable's value, and `$$` for `$`. */
function literal(value: string): string {
  return value.replaceAll("$", "$$$$");
}
