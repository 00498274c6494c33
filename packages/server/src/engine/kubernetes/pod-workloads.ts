import { deadlines } from "../../core/deadlines.ts";
import type { WorkloadObservation } from "../../core/decide.ts";
import { SpawnerError } from "../../core/errors.ts";
import type { Backend } from "../../core/resource.ts";
import type { WorkloadAddress } from "../../core/status.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { within } from "../../lib/within.ts";
import type { LogQuery, WorkloadIdentity, WorkloadRuntime } from "../engine.ts";
import { Informer, type InformerChange } from "./informer.ts";
import { isKubeError, type KubeClient, KubeError } from "./kube-client.ts";
import { observePod } from "./observe-pod.ts";
import { buildPod } from "./pod.ts";
import { readPodLog } from "./pod-logs.ts";
import { backendUidLabel, ownerOf } from "./pod-names.ts";
import type { Pod } from "./pod-object.ts";
import { PodObserver } from "./pod-observer.ts";
import type { PodOptions } from "./pod-options.ts";
import { type PodRefusal, refusalOf, refusalOfForeignPod } from "./pod-refusal.ts";
import { podInvalidity } from "./pod-template.ts";
import { applicationOf, isOnlySidecarLeft, keepOfPod } from "./pod-view.ts";
import type { BackendServices } from "./service.ts";
import { UnheardPods } from "./unheard-pods.ts";

export interface PodWorkloadsOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** As last read from the Secret; undefined before that. */
  readonly controlKey: () => string | undefined;
  /** Needed by whoever makes Pods. */
  readonly pods?: PodOptions;
  /** The Service of each backend, where there is to be one. */
  readonly services?: BackendServices;
}

/** Kubernetes takes a grace of 0 for leave to forget the Pod while its program still runs. */
const graceSecondsMin = 1;

const nodeLostSecondsDefault = 60;

/**
 * Workloads as Pods, each of its backend's name and owned by it. All that is known of them is in the cluster. All Pods are watched
 * from when one is made, listed or waited for: a role that only asks about one now and then reads that one.
 */
export class PodWorkloads implements WorkloadRuntime {
  readonly #options: PodWorkloadsOptions;
  readonly #pods: Informer<Pod>;
  readonly #observer: PodObserver;
  readonly #unheard: UnheardPods;
  readonly #watchers = new Set<(identity: WorkloadIdentity) => void>();
  /** Name -> the generation that waits for the Pod of an earlier one to go. */
  readonly #waiting = new Map<string, WorkloadIdentity>();
  #unwatch: (() => void) | undefined;

  constructor(options: PodWorkloadsOptions) {
    const { client, clock, log, pods } = options;
    this.#options = options;
    this.#pods = new Informer<Pod>({
      client,
      clock,
      log,
      what: "pods",
      path: this.#path(),
      // Pods of 0.1.9's have no label of ours.
      query: pods?.compat ? {} : { labelSelector: backendUidLabel },
      keep: (object) => keepOfPod(object as Pod),
    });
    this.#unheard = new UnheardPods({
      clock,
      nodeLostSeconds: pods?.nodeLostSeconds ?? nodeLostSecondsDefault,
      onLost: (pod) => this.#tellOwner(pod),
    });
    this.#observer = new PodObserver({ ...options, isLost: (pod) => this.#unheard.isLost(pod.metadata.uid) });
  }

  async ensure(backend: Backend): Promise<WorkloadObservation> {
    const { client, controlKey, clock, pods } = this.#options;
    if (pods === undefined) throw new Error("an engine that was opened without Pod options makes no Pods");
    const invalid = podInvalidity(backend);
    if (invalid !== undefined) return refused({ reason: "InvalidSpec", message: invalid }, clock);
    const key = controlKey();
    if (key === undefined) throw new SpawnerError("unavailable", "The control key has not been read yet.");
    await this.#synced();
    try {
      const body = buildPod(backend, { ...pods, namespace: client.namespace, controlKey: key });
      return await this.#observer.observe(
        this.#noted(await client.json<Pod>({ method: "POST", path: this.#path(), body })),
      );
    } catch (error) {
      if (isKubeError(error, "AlreadyExists")) return this.#takeUp(backend.metadata);
      const refusal = error instanceof KubeError ? refusalOf(error) : undefined;
      if (refusal === undefined) throw error;
      return refused(refusal, clock);
    }
  }

  async observe(identity: WorkloadIdentity): Promise<WorkloadObservation> {
    const pod = await this.#find(identity);
    return pod === undefined ? { kind: "absent" } : this.#observer.observe(pod);
  }

  async remove(identity: WorkloadIdentity, graceSeconds: number): Promise<void> {
    const pod = await this.#find(identity);
    if (pod === undefined) return;
    const grace = this.#graceSecondsOf(pod, graceSeconds);
    const { name, uid, deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
    if (deletionTimestamp !== undefined && deletionGracePeriodSeconds <= grace) return;
    try {
      const answer = await this.#options.client.json<Partial<Pod>>({
        method: "DELETE",
        path: this.#path(name),
        body: { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: grace, preconditions: { uid } },
      });
      if (answer.metadata?.deletionTimestamp !== undefined) this.#noted(answer as Pod);
    } catch (error) {
      // Gone, or another generation's has its name by now; but what is said of a conflict alone is not taken for that.
      if (!isKubeError(error, "NotFound", "Conflict")) throw error;
      if (isKubeError(error, "Conflict") && ownedBy(identity, await this.#read(name)) !== undefined) throw error;
      this.#pods.noteAbsent(pod.metadata);
    }
  }

  #graceSecondsOf(pod: Pod, graceSeconds: number): number {
    // Its node will not say that it has ended, and the name is wanted.
    if (this.#unheard.isLost(pod.metadata.uid)) return 0;
    // Where the program is over there is nobody to be waited for; the sidecar may not even have learnt to take a signal yet.
    if (isOnlySidecarLeft(pod)) return graceSecondsMin;
    return Math.max(Math.ceil(graceSeconds), graceSecondsMin);
  }

  async list(): Promise<readonly WorkloadIdentity[]> {
    await this.#synced();
    return [...this.#pods.items()].map(ownerOf).filter((owner) => owner !== undefined);
  }

  watch(onChange: (identity: WorkloadIdentity) => void): () => void {
    const tell = (identity: WorkloadIdentity) => onChange(identity);
    this.#watchers.add(tell);
    this.#start();
    return () => void this.#watchers.delete(tell);
  }

  async *logs(identity: WorkloadIdentity, query: LogQuery = {}): AsyncGenerator<Uint8Array> {
    const { client, clock } = this.#options;
    if (query.signal?.aborted) return;
    const read = async () => ownedBy(identity, await this.#read(identity.name));
    const pod = await read();
    const container = pod === undefined ? undefined : applicationOf(pod)?.name;
    if (container === undefined) return;
    const isThere = async () => (await read()) !== undefined;
    yield* readPodLog({ client, clock, pod: identity.name, container, isThere }, query);
  }

  /** As last heard: undefined where Pods were never asked for, or this one has no address (any more). */
  addressOf(identity: WorkloadIdentity): WorkloadAddress | undefined {
    const pod = ownedBy(identity, this.#pods.get(identity.name));
    const observation = pod === undefined ? undefined : observePod(pod, { now: this.#options.clock.now() });
    return observation !== undefined && "address" in observation ? observation.address : undefined;
  }

  close(): Promise<void> {
    this.#unwatch?.();
    this.#watchers.clear();
    this.#unheard.close();
    return this.#pods.close();
  }

  #start(): void {
    this.#unwatch ??= this.#pods.watch((change) => this.#onChange(change));
  }

  async #synced(): Promise<void> {
    this.#start();
    if (this.#pods.hasSynced) return;
    const { clock } = this.#options;
    await within(this.#pods.synced, { clock, mostMs: deadlines.apiServerMs, what: "reading the Pods" });
  }

  #onChange(change: InformerChange<Pod>): void {
    if (change.kind === "synced") return;
    const { name, uid } = change.item.metadata;
    this.#tellOwner(change.item);
    if (change.kind === "changed") return this.#unheard.note(change.item);
    this.#unheard.forget(uid);
    this.#observer.forget(change.item);
    const waiting = this.#waiting.get(name);
    this.#waiting.delete(name);
    if (waiting !== undefined) this.#tell(waiting);
  }

  #tellOwner(pod: Pod): void {
    const owner = ownerOf(pod);
    if (owner !== undefined) this.#tell(owner);
  }

  #tell(identity: WorkloadIdentity): void {
    for (const tell of this.#watchers) tell(identity);
  }

  /** By the watch; that there is none is never taken from it, since a backend is ended for that, and a watch may lag. */
  async #find(identity: WorkloadIdentity): Promise<Pod | undefined> {
    if (this.#pods.hasStarted) await this.#synced();
    const heard = ownedBy(identity, this.#pods.get(identity.name));
    if (heard !== undefined) return heard;
    const read = ownedBy(identity, await this.#read(identity.name));
    return read === undefined ? undefined : this.#noted(read);
  }

  async #read(name: string): Promise<Pod | undefined> {
    try {
      return await this.#options.client.json<Pod>({ method: "GET", path: this.#path(name) });
    } catch (error) {
      if (isKubeError(error, "NotFound")) return undefined;
      throw error;
    }
  }

  #noted(pod: Pod): Pod {
    const kept = keepOfPod(pod);
    this.#pods.note(kept);
    return kept;
  }

  /** There is a Pod of that name: an earlier attempt's, an earlier generation's, or somebody else's. */
  async #takeUp({ name, uid }: WorkloadIdentity): Promise<WorkloadObservation> {
    const { client, clock } = this.#options;
    const pod = await this.#read(name);
    const owner = pod === undefined ? undefined : ownerOf(pod);
    if (pod !== undefined && owner?.uid === uid) return this.#observer.observe(this.#noted(pod));
    if (pod !== undefined && owner?.name !== name) {
      return refused(refusalOfForeignPod({ name, namespace: client.namespace }), clock);
    }
    this.#waiting.set(name, { name, uid });
    throw new SpawnerError(
      "unavailable",
      `The Pod of an earlier backend of the name ${JSON.stringify(name)} has to go first.`,
    );
  }

  #path(name?: string): string {
    const pods = `/api/v1/namespaces/${this.#options.client.namespace}/pods`;
    return name === undefined ? pods : `${pods}/${name}`;
  }
}

function ownedBy({ uid }: WorkloadIdentity, pod: Pod | undefined): Pod | undefined {
  return pod !== undefined && ownerOf(pod)?.uid === uid ? pod : undefined;
}

function refused(refusal: PodRefusal, clock: Clock): WorkloadObservation {
  return { kind: "ended", end: { ...refusal, at: clock.now() } };
}
