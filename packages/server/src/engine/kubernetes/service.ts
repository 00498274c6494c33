import { legacyServePort, type ServiceAddress } from "../../core/address.ts";
import type { Log } from "../../lib/log.ts";
import type { WorkloadIdentity } from "../engine.ts";
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
}

/**
 * The Services by which 0.1.9's routers and sweepers find backends: of a backend's own name, selecting its Pod by the label
 * `run`, always at port 9090. Each is asked for once, and made where there is none, whoever made the Pod.
 */
export class BackendServices {
  readonly #client: KubeClient;
  readonly #log: Log;
  /** By the UID of the backend. */
  readonly #known = new Map<string, ServiceAddress>();
  /** UIDs of backends of which it was told that they have none: it is tried at each look at them. */
  readonly #told = new Set<string>();

  constructor({ client, log }: { client: KubeClient; log: Log }) {
    this.#client = client;
    this.#log = log;
  }

  /** Undefined where there can be none: the name is somebody else's, or the API server refuses it. Our own parts need none. */
  async of(identity: WorkloadIdentity, target: ServiceTarget): Promise<ServiceAddress | undefined> {
    const known = this.#known.get(identity.uid);
    if (known !== undefined) return known;
    try {
      const service = (await this.#read(identity.name)) ?? (await this.#make(identity, target));
      if (ownerOf(service)?.uid === identity.uid) return this.#note(identity, service);
      this.#tell(identity, new Error("there is a Service of this name that is not the backend's"));
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      this.#tell(identity, error);
    }
    return undefined;
  }

  #tell({ name, uid }: WorkloadIdentity, why: Error): void {
    if (this.#told.has(uid)) return;
    this.#told.add(uid);
    this.#log.warn({ backend: name, err: why }, "the backend has no Service");
  }

  /** The backend is over. */
  forget({ uid }: WorkloadIdentity): void {
    this.#known.delete(uid);
    this.#told.delete(uid);
  }

  #note({ name, uid }: WorkloadIdentity, { spec }: Service): ServiceAddress | undefined {
    if (spec?.clusterIP === undefined) return undefined;
    const address = { ip: spec.clusterIP, url: `http://${name}.${this.#client.namespace}:${legacyServePort}/` };
    this.#known.set(uid, address);
    return address;
  }

  async #read(name: string): Promise<Service | undefined> {
    try {
      return await this.#client.json<Service>({ method: "GET", path: `${this.#path}/${name}` });
    } catch (error) {
      if (isKubeError(error, "NotFound")) return undefined;
      throw error;
    }
  }

  async #make(identity: WorkloadIdentity, target: ServiceTarget): Promise<Service> {
    try {
      const body = buildService(identity, target);
      return await this.#client.json<Service>({ method: "POST", path: this.#path, body });
    } catch (error) {
      // Made by another controller in between.
      const made = isKubeError(error, "AlreadyExists") ? await this.#read(identity.name) : undefined;
      if (made === undefined) throw error;
      return made;
    }
  }

  get #path(): string {
    return `/api/v1/namespaces/${this.#client.namespace}/services`;
  }
}

/** As 0.1.9 made it; but for the port of the Pod, which is another where the program itself has 9090. */
function buildService(identity: WorkloadIdentity, { servePort }: ServiceTarget) {
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
