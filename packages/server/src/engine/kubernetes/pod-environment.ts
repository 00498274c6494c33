import { isReservedEnvName, literalValue } from "../../core/environment.ts";
import { relayPortsOf } from "../../core/relay-ports.ts";
import { type Backend, completeSpec } from "../../core/resource.ts";
import { variablesOf } from "../../core/workload.ts";
import type { Container, EnvVar } from "./pod-object.ts";

/**
 * By what the sidecar knows the Pod's own containers (`PUT /busy`): the Pod's UID, which its node tells both, so that no token
 * stands in the Pod's spec. It need not be a secret: only these containers reach the sidecar by the loopback address.
 */
export const programToken = { fieldRef: { fieldPath: "metadata.uid" } };

/**
 * The application's environment. What Spawner sets comes first, so that a value of the user's can refer to it, as `$(PORT)`,
 * and what the user gives under such a name is left out. A program that chooses its port itself is told none.
 */
export function applicationEnvironment(backend: Backend, { env = [] }: Container): EnvVar[] {
  const { httpPort } = completeSpec(backend.spec);
  const ours = [
    ...(httpPort === 0 ? [] : [{ name: "PORT", value: String(httpPort) }]),
    ...Object.entries(variablesOf(backend)).map(([name, value]) => ({ name, value: literalValue(value) })),
    { name: "SPAWNER_CONTROL_URL", value: `http://127.0.0.1:${relayPortsOf(backend.spec).controlPort}` },
    { name: "SPAWNER_CONTROL_TOKEN", valueFrom: programToken },
  ];
  const isFree = (name: string) => !isReservedEnvName(name) || (name === "PORT" && httpPort === 0);
  return [...ours, ...env.filter(({ name }) => isFree(name))];
}
