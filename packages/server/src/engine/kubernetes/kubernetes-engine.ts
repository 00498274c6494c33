import { addressOf } from "../../core/address.ts";
import type { RelayHost } from "../../core/relay-host.ts";
import { relayPortsOf } from "../../core/relay-ports.ts";
import { type Backend, completeSpec } from "../../core/resource.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { Engine } from "../engine.ts";
import { HttpRelayHost } from "../http-relay-host.ts";
import { LegacyRelayHost } from "../legacy-relay-host.ts";
import { KubernetesBackendStore } from "./backend-store.ts";
import { controlTokenOf } from "./control-token.ts";
import type { KubeClient } from "./kube-client.ts";
import type { PodOptions } from "./pod-options.ts";
import { PodWorkloads } from "./pod-workloads.ts";
import { BackendServices } from "./service.ts";

export interface KubernetesEngineOptions {
  /** Stays the caller's: it is not closed with the engine. */
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** The control key of the relay hosts, as last read; undefined while there is none. */
  readonly controlKey: () => string | undefined;
  /** Only backends on this node are watched. Default: all. */
  readonly nodeName?: string;
  /** How Pods are made. Needed by who makes some. */
  readonly pods?: PodOptions;
}

/**
 * Backends as resources of a cluster, run as Pods beside them in the same namespace. What is watched is so from when it is
 * first asked for: a role that never asks for workloads lists no Pods, and needs no right to.
 */
export class KubernetesEngine implements Engine {
  readonly backends: KubernetesBackendStore;
  readonly workloads: PodWorkloads;
  readonly #options: KubernetesEngineOptions;
  #closing: Promise<void> | undefined;

  private constructor(options: KubernetesEngineOptions) {
    this.#options = options;
    this.backends = new KubernetesBackendStore(options);
    const services = options.pods?.compat ? { services: new BackendServices(options) } : {};
    this.workloads = new PodWorkloads({ ...options, ...services });
  }

  /** Asks for nothing yet: an API server that is away keeps nobody from starting. */
  static async open(options: KubernetesEngineOptions): Promise<KubernetesEngine> {
    return new KubernetesEngine(options);
  }

  relayHost(backend: Backend): RelayHost | undefined {
    const address = this.workloads.addressOf(backend.metadata) ?? addressOf(backend);
    if (address === undefined) return undefined;
    const { clock, controlKey } = this.#options;
    const host = address.ip.includes(":") ? `[${address.ip}]` : address.ip;
    if (address.relayProtocol === 0) {
      const { gracePeriodSeconds } = completeSpec(backend.spec);
      return new LegacyRelayHost({ url: `http://${host}:${address.port}`, gracePeriodSeconds }, { clock });
    }
    const key = controlKey();
    return new HttpRelayHost(
      {
        controlUrl: `http://${host}:${relayPortsOf(backend.spec).controlPort}`,
        ...(key === undefined ? {} : { token: controlTokenOf(key, backend.metadata.uid) }),
      },
      { clock },
    );
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all([this.backends.close(), this.workloads.close()]).then(() => {});
    return this.#closing;
  }
}
