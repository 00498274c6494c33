import { legacyServePort, type ServiceAddress } from "../../core/address.ts";
import { deadlines } from "../../core/deadlines.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { WorkloadIdentity } from "../engine.ts";
import { buildNoServiceEvent } from "./backend-events.ts";
import { isKubeError, type KubeClient, KubeError } from "./kube-client.ts";
import type { KubeObject } from "./objects.ts";
import { ownerOf, ownerReferenceTo } from "./pod-names.ts";

interface Service extends KubeObject {
  readonly spec?: { readonly clusterIP?: string };
}

/** What a Service is to lead to. */
interface ServiceTarget {
  /** Where the Pod's relay serves. */
  readonly servePort: number;
  readonly podUid: string;
}

export interface BackendServicesOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The Services by which 0.1.9's routers and sweepers find backends: of a backend's own name, selecting its Pod by the label
 * `run`, always at port 9090. Each is made where there is none, whoever made the Pod, and looked for again now and then.
 */
export class BackendServices {
  readonly #options: BackendServicesOptions;
  /** By the UID of the backend, as are the others; until it is to be looked for again. */
  readonly #known = new Map<string, ServiceAddress>();
  readonly #looks = new Map<string, Timer>();
  /** Backends of which it was told that they have none: it is tried at each look at them. */
  readonly #told = new Set<string>();
  #onDue: (identity: WorkloadIdentity) => void = () => {};

  constructor(options: BackendServicesOptions) {
    this.#options = options;
  }

  /** Has `onDue` told of each backend that was asked about, every `serviceLookMs`, so that it is asked about again. */
  watch(onDue: (identity: WorkloadIdentity) => void): void {
    this.#onDue = onDue;
  }

  /** Undefined where there can be none: the name is somebody else's, or the API server refuses it. Our own parts need none. */
  async of(identity: WorkloadIdentity, target: ServiceTarget): Promise<ServiceAddress | undefined> {
    const known = this.#known.get(identity.uid);
    if (known !== undefined) return known;
    this.#lookAgain(identity);
    try {
      const service = (await this.#read(identity.name)) ?? (await this.#make(identity, target));
      if (ownerOf(service)?.uid === identity.uid) return this.#note(identity, service);
      await this.#tell({ ...identity, ...target }, foreignService(identity, this.#options.client));
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      await this.#tell({ ...identity, ...target }, refusedService(identity, error));
    }
    return undefined;
  }

  /** The backend is over. */
  forget({ uid }: WorkloadIdentity): void {
    this.#looks.get(uid)?.cancel();
    this.#looks.delete(uid);
    this.#known.delete(uid);
    this.#told.delete(uid);
  }

  close(): void {
    for (const timer of this.#looks.values()) timer.cancel();
    this.#looks.clear();
  }

  #lookAgain(identity: WorkloadIdentity): void {
    const { uid } = identity;
    if (this.#looks.has(uid)) return;
    const timer = this.#options.clock.after(deadlines.serviceLookMs, () => {
      this.#looks.delete(uid);
      this.#known.delete(uid);
      this.#onDue(identity);
    });
    this.#looks.set(uid, timer);
  }

  async #tell(backend: WorkloadIdentity & ServiceTarget, message: string): Promise<void> {
    const { client, clock, log } = this.#options;
    const { name, uid } = backend;
    if (this.#told.has(uid)) return;
    this.#told.add(uid);
    log.warn({ backend: name, problem: message }, "the backend has no Service");
    const { namespace } = client;
    try {
      const body = buildNoServiceEvent(backend, { message, now: clock.now(), namespace });
      await client.json({ method: "POST", path: `/api/v1/namespaces/${namespace}/events`, body });
    } catch (error) {
      // Where there is one already, it was told before; without any, the log has it.
      log.debug({ backend: name, err: error }, "an Event could not be written");
    }
  }

  #note({ name, uid }: WorkloadIdentity, { spec }: Service): ServiceAddress | undefined {
    if (spec?.clusterIP === undefined) return undefined;
    const { namespace } = this.#options.client;
    const address = { ip: spec.clusterIP, url: `http://${name}.${namespace}:${legacyServePort}/` };
    this.#known.set(uid, address);
    this.#told.delete(uid);
    return address;
  }

  async #read(name: string): Promise<Service | undefined> {
    try {
      return await this.#options.client.json<Service>({ method: "GET", path: `${this.#path}/${name}` });
    } catch (error) {
      if (isKubeError(error, "NotFound")) return undefined;
      throw error;
    }
  }

  async #make(identity: WorkloadIdentity, target: ServiceTarget): Promise<Service> {
    try {
      const body = buildService(identity, target);
      return await this.#options.client.json<Service>({ method: "POST", path: this.#path, body });
    } catch (error) {
      // Made by another controller in between.
      const made = isKubeError(error, "AlreadyExists") ? await this.#read(identity.name) : undefined;
      if (made === undefined) throw error;
      return made;
    }
  }

  get #path(): string {
    return `/api/v1/namespaces/${this.#options.client.namespace}/services`;
  }
}

function foreignService({ name }: WorkloadIdentity, { namespace }: KubeClient): string {
  return (
    `There is a Service ${JSON.stringify(name)} that is not the backend's, so that what is of 0.1.9 does not reach it. ` +
    `Delete that one, and the backend gets its own within ${lookMinutes} minutes: kubectl delete service ${name} --namespace ${namespace}`
  );
}

function refusedService({ name }: WorkloadIdentity, { message }: KubeError): string {
  return (
    `The Service ${JSON.stringify(name)} is refused, so that what is of 0.1.9 does not reach the backend: ${message}. ` +
    `Mend that, and the backend gets it within ${lookMinutes} minutes.`
  );
}

const lookMinutes = deadlines.serviceLookMs / 60_000;

/** As 0.1.9 made it; but for the port of the Pod, which is another where the program itself has 9090. */
function buildService(identity: WorkloadIdentity, { servePort }: Pick<ServiceTarget, "servePort">) {
  const { name } = identity;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, labels: { run: name }, ownerReferences: [ownerReferenceTo({ metadata: identity })] },
    spec: {
      selector: { run: name },
      ports: [{ name: "spawner-app", protocol: "TCP", port: legacyServePort, targetPort: servePort }],
    },
  };
}
