import { deadlines } from "../../core/deadlines.ts";
import type { Backend } from "../../core/resource.ts";
import type { Clock } from "../../lib/clock.ts";
import { KeyedQueue } from "../../lib/keyed-queue.ts";
import type { Log } from "../../lib/log.ts";
import type { BackendStore } from "../engine.ts";
import { announcedStates, buildEvent } from "./backend-events.ts";
import { backendsPath } from "./backend-resource.ts";
import { isKubeError, type KubeClient, KubeError } from "./kube-client.ts";
import type { KubeList, KubeObject } from "./objects.ts";

export interface AnnouncerOptions {
  readonly client: KubeClient;
  readonly backends: Pick<BackendStore, "watch">;
  readonly clock: Clock;
  readonly log: Log;
  /** For the api, the sweeper and the tools of 0.1.9: an Event a state, not only of the end, and the label `spawnerGroup`. */
  readonly compat: boolean;
}

/** The label by which a sweeper of 0.1.9 finds the backends of its node. */
const spawnerGroup = "spawnerGroup";
const concurrency = 4;
const pageSize = 500;

/**
 * Says beside the resources what is in them: in Kubernetes Events for people and, with `compat`, what 0.1.9 looks for elsewhere.
 * Nothing of ours depends on it. To be run by one at a time; what two say is the same.
 */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #queue: KeyedQueue;
  readonly #unwatch: () => void;
  /** The latest of each name. */
  readonly #backends = new Map<string, Backend>();
  /** Names of Events that are there. */
  readonly #said = new Set<string>();
  #read: Promise<void> | undefined;

  constructor(options: AnnouncerOptions) {
    const { backends, clock, log } = options;
    this.#options = options;
    this.#queue = new KeyedQueue({
      clock,
      work: (name) => this.#announce(name),
      onError: (backend, error) => log.debug({ backend, err: error }, "announcing failed, will be tried again"),
      concurrency,
      retryFirstMs: deadlines.reconcileRetryFirstMs,
      retryMostMs: deadlines.reconcileRetryMostMs,
    });
    this.#unwatch = backends.watch((change) => {
      if (change.kind === "synced") return;
      const { name } = change.backend.metadata;
      if (change.kind === "changed") this.#backends.set(name, change.backend);
      else this.#forget(change.backend);
      this.#queue.add(name);
    });
  }

  async close(): Promise<void> {
    this.#unwatch();
    await this.#queue.close();
  }

  #forget(backend: Backend): void {
    this.#backends.delete(backend.metadata.name);
    for (const event of this.#eventsOf(backend)) this.#said.delete(event.metadata.name);
  }

  async #announce(name: string): Promise<undefined> {
    const backend = this.#backends.get(name);
    if (backend === undefined) return;
    if (this.#options.compat) await this.#label(backend);
    const unsaid = this.#eventsOf(backend).filter((event) => !this.#said.has(event.metadata.name));
    if (unsaid.length === 0) return;
    await this.#readSaid();
    for (const event of unsaid) if (!this.#said.has(event.metadata.name)) await this.#say(event);
  }

  #eventsOf(backend: Backend) {
    const { client, compat } = this.#options;
    return announcedStates(backend, { compat }).map((status) => buildEvent(backend, status, client));
  }

  async #say(event: ReturnType<typeof buildEvent>): Promise<void> {
    try {
      await this.#options.client.json({ method: "POST", path: this.#eventsPath, body: event });
    } catch (error) {
      if (!(error instanceof KubeError) || error.status >= 500) throw error;
      // One that may not be written is missed by people only; the next attempt would end alike.
      if (!isKubeError(error, "AlreadyExists")) {
        this.#options.log.warn({ backend: event.involvedObject.name, err: error }, "an Event was refused");
      }
    }
    this.#said.add(event.metadata.name);
  }

  /** Which Events those before this one wrote, asked for once. */
  #readSaid(): Promise<void> {
    this.#read ??= this.#listEvents().catch((error: unknown) => {
      this.#read = undefined;
      throw error;
    });
    return this.#read;
  }

  async #listEvents(): Promise<void> {
    const query = { fieldSelector: "involvedObject.kind=SessionLivedBackend", limit: pageSize };
    let next: string | undefined;
    do {
      const page = await this.#options.client.json<KubeList<KubeObject>>({
        method: "GET",
        path: this.#eventsPath,
        query: { ...query, continue: next },
      });
      for (const { metadata } of page.items) this.#said.add(metadata.name);
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
  }

  /** A write of its own: what a patch of the status says of metadata is passed over. */
  async #label({ metadata, status }: Backend): Promise<void> {
    const { nodeName } = status;
    if (nodeName === undefined || metadata.labels[spawnerGroup] === nodeName) return;
    const { client } = this.#options;
    const { name, resourceVersion } = metadata;
    try {
      await client.json({
        method: "PATCH",
        path: `${backendsPath(client.namespace)}/${name}`,
        body: { metadata: { resourceVersion, labels: { [spawnerGroup]: nodeName } } },
      });
    } catch (error) {
      // Somebody wrote in between: that version comes here too.
      if (!isKubeError(error, "Conflict", "NotFound")) throw error;
    }
  }

  get #eventsPath(): string {
    return `/api/v1/namespaces/${this.#options.client.namespace}/events`;
  }
}
