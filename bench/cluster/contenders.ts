import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { defaultServicePrefix, makeId } from "../../packages/server/src/core/names.ts";
import { relayPortsOf } from "../../packages/server/src/core/relay-ports.ts";
import type { Backend } from "../../packages/server/src/core/resource.ts";
import { completeSpec } from "../../packages/server/src/core/resource.ts";
import { backendsPath, resourceOf } from "../../packages/server/src/engine/kubernetes/backend-resource.ts";
import type { KubeClient } from "../../packages/server/src/engine/kubernetes/index.ts";
import { buildPod } from "../../packages/server/src/engine/kubernetes/pod.ts";
import type { PodDraft } from "../../packages/server/src/engine/kubernetes/pod-object.ts";
import { eventually } from "../../test/support/cluster/eventually.ts";
import { spawnThrough } from "../../test/support/cluster/install.ts";
import { testImage } from "../../test/support/cluster/overlay.ts";

/** What starts a session's program. */
export const contenders = ["Spawner", "bare Pod of both containers", "bare Pod of the application"] as const;
export type Contender = (typeof contenders)[number];

const source = readFileSync(new URL("../programs/listens.mjs", import.meta.url)).toString("base64");
/** By NODE_OPTIONS, so that the one image that a cluster has for this is image enough. */
const env = { NODE_OPTIONS: `--import=data:text/javascript;base64,${source}` };
const image = testImage;
const terminationGracePeriodSeconds = 5;

/** One session's program being started. */
export interface Start {
  readonly contender: Contender;
  /** Of the Pod, and of the record where there is one. */
  readonly name: string;
  /** Of the backend; undefined of bare Pods. */
  readonly id: string | undefined;
  /** When it was asked for, by performance.now(). */
  readonly startMs: number;
  /** Where it is asked: the relay's where there is one, else the program's. */
  readonly port: number;
  /** The program's own. */
  readonly programPort: number;
}

export interface StartOptions {
  readonly apiUrl: string;
  readonly client: KubeClient;
  readonly gracePeriodSeconds?: number;
  /** Whether the program asks for next to nothing of the node, so that many fit. Spawner is asked by a resource then. */
  readonly isSmall?: boolean;
}

/** Asks for it. Resolves when that was answered. */
export async function start(contender: Contender, options: StartOptions): Promise<Start> {
  const { apiUrl, client, gracePeriodSeconds = 300, isSmall = false } = options;
  const bare = bareBackend(gracePeriodSeconds, { isSmall });
  const { servePort: port } = relayPortsOf(bare.spec);
  const { httpPort: programPort } = completeSpec(bare.spec);
  if (contender === "Spawner" && isSmall) {
    const id = makeId();
    const name = `${defaultServicePrefix}${id}`;
    const startMs = performance.now();
    const body = resourceOf({ name, spec: bare.spec });
    await client.json({ method: "POST", path: backendsPath(client.namespace), body });
    return { contender, name, id, startMs, port, programPort };
  }
  if (contender === "Spawner") {
    const startMs = performance.now();
    const id = await spawnThrough(apiUrl, { image, env, terminationGracePeriodSeconds, gracePeriodSeconds });
    return { contender, name: `spawner-${id}`, id, startMs, port, programPort };
  }
  const pod = barePod(bare, { client, hasSidecar: contender === "bare Pod of both containers" });
  const startMs = performance.now();
  await client.json({ method: "POST", path: podsPath(client), body: pod });
  const { name } = bare.metadata;
  const asked = contender === "bare Pod of the application" ? programPort : port;
  return { contender, name, id: undefined, startMs, port: asked, programPort };
}

/** Asks for its end; does not wait for it. */
export async function end({ id, name }: Start, { apiUrl, client }: StartOptions): Promise<void> {
  if (id === undefined) {
    await client.json({ method: "DELETE", path: `${podsPath(client)}/${name}` });
    return;
  }
  // 503 where the API server is busy with the starts of others.
  await eventually(async () => {
    const { ok, status } = await fetch(`${apiUrl}/backend/${id}`, { method: "DELETE" });
    if (!ok) throw new Error(`DELETE /backend/${id} was answered with ${status}`);
  });
}

export function podsPath({ namespace }: KubeClient): string {
  return `/api/v1/namespaces/${namespace}/pods`;
}

/** A backend as the API makes one, that is in no cluster. */
function bareBackend(gracePeriodSeconds: number, { isSmall = false } = {}): Backend {
  const resources = isSmall ? { resources: { requests: { cpu: "1m", memory: "8Mi" } } } : {};
  const application = { image, imagePullPolicy: "IfNotPresent", env: toEnvVars(env), ...resources };
  return {
    metadata: {
      name: `bare-${randomUUID().slice(0, 8)}`,
      uid: randomUUID(),
      resourceVersion: "1",
      creationTimestamp: new Date().toISOString(),
      labels: {},
    },
    spec: { template: { containers: [application] }, terminationGracePeriodSeconds, gracePeriodSeconds },
    status: {},
  };
}

/** The Pod that Spawner makes of a backend, owned by nobody. */
function barePod(backend: Backend, { client, hasSidecar }: { client: KubeClient; hasSidecar: boolean }): PodDraft {
  const { namespace } = client;
  const { metadata, spec, ...rest } = buildPod(backend, { namespace, sidecarImage: image, controlKey: randomUUID() });
  const { name, annotations } = metadata;
  const { initContainers, ...alone } = spec;
  return {
    ...rest,
    metadata: { name, namespace, ...(annotations === undefined ? {} : { annotations }) },
    spec: hasSidecar ? { ...alone, ...(initContainers === undefined ? {} : { initContainers }) } : alone,
  };
}

/** The sidecar's command line, as in every Pod, and the port on which it serves. */
export function sidecarStartedByKubernetes(client: KubeClient): { command: string[]; port: number } {
  const backend = bareBackend(300);
  const [sidecar] = barePod(backend, { client, hasSidecar: true }).spec.initContainers ?? [];
  const { command, args } = sidecar as { command?: string[]; args?: string[] };
  return { command: [...(command ?? []), ...(args ?? [])], port: relayPortsOf(backend.spec).servePort };
}

function toEnvVars(variables: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(variables).map(([name, value]) => ({ name, value }));
}
