import { isValidName } from "../../core/names.ts";
import { relayPortsOf } from "../../core/relay-ports.ts";
import type { Backend } from "../../core/resource.ts";
import { sidecarName } from "./pod-names.ts";
import type { Container, PodSpec } from "./pod-object.ts";

/** The application's container where its template does not name it. */
const applicationName = "application";

/** A template as a Pod's spec: what is null was left out (0.1.9 writes out what it does not know), the application has a name. */
export function templateOf(backend: Backend): PodSpec {
  const { containers = [], ...rest } = withoutNulls(backend.spec.template) as PodSpec;
  const named = containers.map((container, index) =>
    index === 0 ? { ...container, ...nameOf(container) } : container,
  );
  return { ...rest, containers: named };
}

function nameOf({ name = applicationName }: Partial<Container>): { name: string } {
  return { name };
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== null).map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, each]) => each !== null);
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutNulls(each)]));
}

/**
 * What is wrong with a backend for a Pod, beyond what any engine asks for, as one sentence; undefined where there is nothing. All
 * that is not said here is the API server's to judge.
 */
export function podInvalidity(backend: Backend): string | undefined {
  const problems = [...problemsOfName(backend), ...problemsOfTemplate(backend)];
  return problems.length === 0 ? undefined : `The backend cannot be run as a Pod: ${problems.join("; ")}.`;
}

/** What whoever asks for a backend is told at once: a Pod has no default image, as one machine has its only template. */
export function problemOfImages({ template }: Backend["spec"]): string | undefined {
  const index = template.containers.findIndex(({ image }) => !image);
  return index < 0
    ? undefined
    : `image is missing (template.containers[${index}].image): on a cluster each backend needs one.`;
}

/** Nothing could be routed to it: an id is one segment of a path, or one label of a host name. */
function problemsOfName({ metadata: { name } }: Backend): string[] {
  if (isValidName(name)) return [];
  const needed = 'lower-case letters, digits and "-" only, at most 63 of them, the first and the last not a "-"';
  return [`its name must have ${needed}; ${JSON.stringify(name)} was given`];
}

function problemsOfTemplate(backend: Backend): string[] {
  const { containers, initContainers = [], hostNetwork } = templateOf(backend);
  const all = [
    ...containers.map((container, index) => ({ container, path: `template.containers[${index}]` })),
    ...initContainers.map((container, index) => ({ container, path: `template.initContainers[${index}]` })),
  ];
  const names = all.map(({ container }) => container.name);
  const ports: readonly number[] = Object.values(relayPortsOf(backend.spec));
  return [
    ...(hostNetwork ? ["template.hostNetwork must not be set: all sidecars of a node would want the same ports"] : []),
    ...(containers[0]?.restartPolicy === undefined
      ? []
      : ["template.containers[0].restartPolicy must not be given: a backend's program is started once"]),
    ...all.flatMap(({ container: { name, image, ports: declared = [] }, path }, index) => [
      ...(name === undefined ? [`${path}.name is missing`] : []),
      ...(name === sidecarName ? [`${path}.name must not be ${sidecarName}, which is Spawner's own`] : []),
      ...(name !== undefined && names.indexOf(name) < index
        ? [`${path}.name ${JSON.stringify(name)} is there twice`]
        : []),
      ...(image === undefined ? [`${path}.image is missing`] : []),
      ...declared
        .filter(({ containerPort = 0 }) => ports.includes(containerPort))
        .map(({ containerPort }) => `${path}.ports must not have ${containerPort}, which is the sidecar's`),
    ]),
  ];
}
