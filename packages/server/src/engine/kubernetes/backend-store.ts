import { isSpawnerError, SpawnerError } from "../../core/errors.ts";
import { requireValidName } from "../../core/names.ts";
import type { Backend, BackendDraft } from "../../core/resource.ts";
import type { StatusPatch } from "../../core/status.ts";
import { type StopRequest, stopChanges } from "../../core/stop.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { BackendChange, BackendPage, BackendStore, GetOptions, ListQuery, Precondition } from "../engine.ts";
import { required } from "../precondition.ts";
import { backendError } from "./backend-errors.ts";
import { type BackendResource, backendOf, backendsPath, resourceOf } from "./backend-resource.ts";
import { Informer } from "./informer.ts";
import { isKubeError, type KubeClient } from "./kube-client.ts";
import { listBackends } from "./list-backends.ts";
import { problemOfImages } from "./pod-template.ts";

export interface KubernetesBackendStoreOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** Only backends whose `status.nodeName` is this are watched. Default: all. */
  readonly nodeName?: string;
}

/** Others may write at the same time, each once or twice. */
const patchAttemptsMax = 10;

/**
 * Backends as resources of a cluster. Once watched, `get` is answered from what the watch told, and from what this store
 * wrote or read since: never older than that. What is not known there, or had a write with an unknown outcome, is asked for;
 * so nothing is taken for absent that the API server was not asked about.
 */
export class KubernetesBackendStore implements BackendStore {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #informer: Informer<Backend>;
  /** Names whose last write may have been done or not. */
  readonly #uncertain = new Set<string>();

  constructor({ client, clock, log, nodeName }: KubernetesBackendStoreOptions) {
    this.#client = client;
    this.#clock = clock;
    this.#path = backendsPath(client.namespace);
    this.#informer = new Informer({
      client,
      clock,
      log,
      what: "backends",
      path: this.#path,
      ...(nodeName === undefined ? {} : { query: { fieldSelector: `status.nodeName=${nodeName}` } }),
      keep: backendOf,
    });
  }

  async create(draft: BackendDraft): Promise<Backend> {
    const { name } = draft;
    requireValidName(name);
    const invalid = problemOfImages(draft.spec);
    if (invalid !== undefined) throw new SpawnerError("invalid_request", invalid);
    try {
      return this.#note(await this.#client.json({ method: "POST", path: this.#path, body: resourceOf(draft) }));
    } catch (error) {
      throw backendError(error, `Creating the backend ${name}`);
    }
  }

  async get(name: string, { fresh = false }: GetOptions = {}): Promise<Backend | undefined> {
    const isKnown = this.#informer.hasSynced && !this.#uncertain.has(name) && !fresh;
    return (isKnown ? this.#informer.get(name) : undefined) ?? this.#read(name);
  }

  list(query: ListQuery = {}): Promise<BackendPage> {
    return listBackends(query, { client: this.#client, path: this.#path });
  }

  watch(onChange: (change: BackendChange) => void): () => void {
    return this.#informer.watch((change) =>
      onChange(change.kind === "synced" ? change : { kind: change.kind, backend: change.item }),
    );
  }

  async patchStatus(target: Precondition, patch: StatusPatch): Promise<Backend> {
    const known = this.#informer.get(target.name);
    let backend = known !== undefined && isMeant(known, target) ? known : await this.#require(target);
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await this.#patch(backend, { subresource: "/status", content: { status: patch } });
      } catch (error) {
        if (!isSpawnerError(error, "conflict") || attempts >= patchAttemptsMax) throw error;
        // Refuses where it matters to the caller who was in between.
        backend = await this.#require(target);
      }
    }
  }

  async requestStop(target: Precondition, request: StopRequest = {}): Promise<Backend> {
    for (let attempts = 1; ; attempts += 1) {
      const backend = await this.#require(target);
      const spec = stopChanges(backend, request, this.#clock.now());
      if (spec === undefined) return backend;
      try {
        // In the version that was read: another caller may have shortened it more meanwhile.
        return await this.#patch(backend, { content: { spec } });
      } catch (error) {
        if (!isSpawnerError(error, "conflict") || attempts >= patchAttemptsMax) throw error;
      }
    }
  }

  async delete(target: Precondition): Promise<void> {
    const { name, uid, resourceVersion } = target;
    try {
      await this.#uncertainly(name, () =>
        this.#client.json({
          method: "DELETE",
          path: this.#pathOf(name),
          body: { preconditions: { uid, resourceVersion }, propagationPolicy: "Background" },
        }),
      );
    } catch (error) {
      if (!isKubeError(error, "Conflict", "NotFound")) throw backendError(error, `Deleting the backend ${name}`);
      // It says the same of another generation and of another version: which it is, is read.
      await this.#require(target);
      throw new SpawnerError("conflict", `Backend ${name} is written by others: try again.`, { cause: error });
    }
    this.#informer.noteAbsent({ name, uid });
  }

  /** Ends the watch. Idempotent. */
  close(): Promise<void> {
    return this.#informer.close();
  }

  /** Asks the API server. */
  async #read(name: string): Promise<Backend | undefined> {
    const before = this.#informer.get(name);
    try {
      const backend = this.#note(await this.#client.json({ method: "GET", path: this.#pathOf(name) }));
      this.#uncertain.delete(name);
      return backend;
    } catch (error) {
      if (!isKubeError(error, "NotFound")) throw backendError(error, `Reading the backend ${name}`);
      this.#uncertain.delete(name);
      if (before !== undefined) this.#informer.noteAbsent(before.metadata);
      return undefined;
    }
  }

  async #require(target: Precondition): Promise<Backend> {
    return required(await this.#read(target.name), target);
  }

  /**
   * Of exactly this version, and so of this generation: the API server does not look at a UID in a patch of `/status`. Rejects
   * with `conflict` where there is another version, or none.
   */
  async #patch(
    { metadata: { name, resourceVersion } }: Backend,
    { subresource = "", content }: { subresource?: string; content: { status: StatusPatch } | { spec: object } },
  ): Promise<Backend> {
    const path = `${this.#pathOf(name)}${subresource}`;
    const body = { metadata: { resourceVersion }, ...content };
    try {
      return this.#note(await this.#uncertainly(name, () => this.#client.json({ method: "PATCH", path, body })));
    } catch (cause) {
      if (!isKubeError(cause, "Conflict", "NotFound")) throw backendError(cause, `Changing the backend ${name}`);
      throw new SpawnerError("conflict", `Backend ${name} is written by others again and again: try later.`, { cause });
    }
  }

  #note(resource: BackendResource): Backend {
    const backend = backendOf(resource);
    this.#informer.note(backend);
    return backend;
  }

  /** Notes whether the outcome of a write to what is there already is known. */
  async #uncertainly<Result>(name: string, write: () => Promise<Result>): Promise<Result> {
    try {
      const result = await write();
      this.#uncertain.delete(name);
      return result;
    } catch (error) {
      if (isSpawnerError(error, "unavailable")) this.#uncertain.add(name);
      throw error;
    }
  }

  #pathOf(name: string): string {
    return `${this.#path}/${encodeURIComponent(name)}`;
  }
}

function isMeant({ metadata }: Backend, { uid, resourceVersion = metadata.resourceVersion }: Precondition): boolean {
  return metadata.uid === uid && metadata.resourceVersion === resourceVersion;
}
