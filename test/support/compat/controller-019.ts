import { readFileSync } from "node:fs";
import { kind } from "../../../packages/server/src/core/resource.ts";
import { isKubeError, type KubeClient } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { eventually } from "../cluster/eventually.ts";
import { testImage } from "../cluster/overlay.ts";

/** A resource as 0.1.9 reads it, and a Pod and a Service as far as it does. */
export interface LegacySlab {
  readonly metadata: { readonly name: string; readonly uid: string; readonly labels?: Record<string, string> };
  readonly spec: {
    readonly template: { readonly containers: readonly LegacyContainer[] };
    readonly httpPort?: number | null;
  };
  readonly status?: LegacyStatus;
}

type LegacyContainer = { readonly env?: readonly object[]; readonly [field: string]: unknown };

export interface LegacyStatus {
  readonly constructed?: boolean;
  readonly scheduled?: boolean;
  readonly running?: boolean;
  readonly ready?: boolean;
  readonly swept?: boolean;
  readonly nodeName?: string;
  readonly ip?: string;
  readonly url?: string;
}

interface Pod {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: { readonly phase?: string };
}

const sidecarSource = readFileSync(new URL("sidecar-019.mjs", import.meta.url), "utf8");

/** What its controller does with one backend, in the order of its writes; it can be stopped behind any of them. */
export const legacySteps = ["nothing", "Pod", "Service", "constructed", "label", "scheduled", "running"] as const;
export type LegacyStep = (typeof legacySteps)[number];

/**
 * The controller of 0.1.9, write by write: it waits for nothing that it does not have to, sets flags by merge patches without any
 * precondition, and writes an Event for each. Its sidecar is an ordinary container, behind the application.
 */
export class LegacyController {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** Creates a resource as its API did. */
  create(name: string, spec: object): Promise<LegacySlab> {
    const body = { apiVersion: "spawner.dev/v1", kind, metadata: { name }, spec };
    return this.#client.json({ method: "POST", path: slabsPath(this.#client), body });
  }

  /** Works on a new backend until behind this write. */
  async workUntil(slab: LegacySlab, last: LegacyStep): Promise<void> {
    const steps = legacySteps.slice(0, legacySteps.indexOf(last) + 1);
    for (const step of steps) await this.#do(step, slab);
  }

  /** What is swept it deletes, and leaves Pod and Service to the cluster. */
  async deleteSwept(): Promise<void> {
    const { items } = await this.#client.json<{ items: LegacySlab[] }>({
      method: "GET",
      path: slabsPath(this.#client),
    });
    for (const { metadata, status } of items) {
      if (!status?.swept) continue;
      await this.#client.json({ method: "DELETE", path: `${slabsPath(this.#client)}/${metadata.name}` });
    }
  }

  async #do(step: LegacyStep, slab: LegacySlab): Promise<void> {
    const { name } = slab.metadata;
    switch (step) {
      case "nothing":
        return;
      case "Pod":
        return this.#create("pods", podOf(slab));
      case "Service":
        return this.#create("services", serviceOf(slab));
      case "constructed":
        return setState(this.#client, slab, { state: "Constructed", status: { constructed: true } });
      case "label": {
        const spawnerGroup = await this.#nodeOf(name);
        const path = `${slabsPath(this.#client)}/${name}`;
        await this.#client.json({ method: "PATCH", path, body: { metadata: { labels: { spawnerGroup } } } });
        return;
      }
      case "scheduled": {
        const { spec } = await this.#get<{ spec: { clusterIP: string } }>("services", name);
        const url = `http://${name}.${this.#client.namespace}:9090/`;
        const status = { scheduled: true, nodeName: await this.#nodeOf(name), ip: spec.clusterIP, url };
        return setState(this.#client, slab, { state: "Scheduled", status });
      }
      case "running":
        await eventually(async () => {
          const { status } = await this.#get<Pod>("pods", name);
          if (status?.phase !== "Running") throw new Error(`the Pod ${name} is ${status?.phase}`);
        });
        return setState(this.#client, slab, { state: "Running", status: { running: true } });
      default:
        return step satisfies never;
    }
  }

  /** Once more where a busy API server did not answer in time: this one stops where the test says, and nowhere else. */
  #create(plural: string, body: object): Promise<void> {
    return eventually(async () => {
      try {
        await this.#client.json({ method: "POST", path: this.#core(plural), body });
      } catch (error) {
        if (!isKubeError(error, "AlreadyExists")) throw error;
      }
    });
  }

  #nodeOf(name: string): Promise<string> {
    return eventually(async () => {
      const { spec } = await this.#get<Pod>("pods", name);
      if (spec?.nodeName === undefined) throw new Error(`the Pod ${name} has no node yet`);
      return spec.nodeName;
    });
  }

  #get<Kind>(plural: string, name: string): Promise<Kind> {
    return this.#client.json({ method: "GET", path: `${this.#core(plural)}/${name}` });
  }

  #core(plural: string): string {
    return `/api/v1/namespaces/${this.#client.namespace}/${plural}`;
  }
}

export function slabsPath({ namespace }: KubeClient): string {
  return `/apis/spawner.dev/v1/namespaces/${namespace}/sessionlivedbackends`;
}

/** The flag, and then the Event from which its API takes the state. */
export async function setState(
  client: KubeClient,
  { metadata }: LegacySlab,
  { state, status }: { state: string; status: LegacyStatus },
): Promise<void> {
  const { name, uid } = metadata;
  const { namespace } = client;
  await client.json({ method: "PATCH", path: `${slabsPath(client)}/${name}/status`, body: { status } });
  const body = {
    metadata: { generateName: `${name}-`, namespace },
    involvedObject: { apiVersion: "spawner.dev/v1", kind, name, namespace, uid },
    action: state,
    reason: state,
    message: state,
    type: "Normal",
    eventTime: new Date().toISOString().replace("Z", "000Z"),
    reportingComponent: "spawner.dev/sessionlivedbackend",
    reportingInstance: name,
  };
  await client.json({ method: "POST", path: `/api/v1/namespaces/${namespace}/events`, body });
}

function metadataOf({ metadata: { name, uid } }: LegacySlab) {
  const owner = { apiVersion: "spawner.dev/v1", kind, name, uid, controller: true };
  return { name, labels: { run: name }, ownerReferences: [owner] };
}

function podOf(slab: LegacySlab) {
  const { template } = slab.spec;
  const httpPort = slab.spec.httpPort ?? 8080;
  const [application, ...others] = template.containers;
  const port = { name: "PORT", value: String(httpPort) };
  const sidecar = {
    name: "spawner-sidecar",
    image: testImage,
    imagePullPolicy: "IfNotPresent",
    command: ["node", "--input-type=module", "--eval", sidecarSource, "--"],
    args: ["--serve-port=9090", `--upstream-port=${httpPort}`],
  };
  return {
    metadata: metadataOf(slab),
    spec: {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 2, // its sidecar ignores SIGTERM, and tests have no half minute
      containers: [{ ...application, env: [...(application?.env ?? []), port] }, ...others, sidecar],
    },
  };
}

function serviceOf(slab: LegacySlab) {
  const ports = [{ name: "spawner-app", protocol: "TCP", port: 9090 }];
  return { metadata: metadataOf(slab), spec: { selector: { run: slab.metadata.name }, ports } };
}
