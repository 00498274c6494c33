import type { WorkloadObservation } from "../core/decide.ts";
import type { LabelSelector } from "../core/label-selector.ts";
import type { RelayHost } from "../core/relay-host.ts";
import type { Backend, BackendDraft } from "../core/resource.ts";
import type { StatusPatch } from "../core/status.ts";
import type { StopRequest } from "../core/stop.ts";

/** A place that stores backends and runs their workloads: all that the roles know of where they are. */
export interface Engine {
  readonly backends: BackendStore;
  readonly workloads: WorkloadRuntime;
  /** How to ask the relay host of a backend; undefined while it has none. */
  relayHost(backend: Backend): RelayHost | undefined;
  /** Gives back everything that is held. Idempotent; workloads live on, as over a restart. */
  close(): Promise<void>;
}

/** Which generation of a backend is meant, and, where `resourceVersion` is given, in which version. */
export interface Precondition {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion?: string;
}

export type BackendChange =
  /** It is there, in this version: once for each when a watch begins, then at each write. */
  | { readonly kind: "changed"; readonly backend: Backend }
  /** Its record is gone; this was the last version. */
  | { readonly kind: "deleted"; readonly backend: Backend }
  /** Everything that was there at the beginning has been said. */
  | { readonly kind: "synced" };

export interface ListQuery {
  /** Only those whose labels are like this. Default: all. */
  readonly selector?: LabelSelector;
  /** At most this many, in order of their names. Default: all. */
  readonly limit?: number;
  /** The `continue` of the page before. */
  readonly continue?: string;
}

export interface BackendPage {
  readonly items: readonly Backend[];
  readonly continue?: string;
}

export interface GetOptions {
  /** As it is now, not as it was heard of. Default: false. */
  readonly fresh?: boolean;
}

/** Backends as records. Rejections are SpawnerErrors; `unavailable` where the store cannot be reached. */
export interface BackendStore {
  /** What was created survives any crash. Rejects: already_exists, too_many_backends. */
  create(draft: BackendDraft): Promise<Backend>;
  /** As this process heard of it last, never older than what it wrote or read itself; what it never heard of is looked up. */
  get(name: string, options?: GetOptions): Promise<Backend | undefined>;
  list(query?: ListQuery): Promise<BackendPage>;
  /** Calls back for every backend and every later change, in order for each, never before it returned. */
  watch(onChange: (change: BackendChange) => void): () => void;
  /** Merges into `status` (RFC 7396). Rejects: not_found (or another generation), conflict (another version). */
  patchStatus(target: Precondition, patch: StatusPatch): Promise<Backend>;
  /**
   * Writes into the spec how the backend is to end (core/stop.ts), in one write. Also of a backend that has ended, so that a
   * program which goes on gets less time. Rejects: not_found, conflict.
   */
  requestStop(target: Precondition, request?: StopRequest): Promise<Backend>;
  /** Removes the record. Rejects: not_found (or another generation), conflict. */
  delete(target: Precondition): Promise<void>;
}

export interface WorkloadIdentity {
  readonly name: string;
  readonly uid: string;
}

export interface LogQuery {
  /** Only this many lines from the end. Default: all that is kept. */
  readonly tailLines?: number;
  /** Goes on with what is written later, until the program is over. Default: false. */
  readonly follow?: boolean;
  /** Ends the reading, without an error. */
  readonly signal?: AbortSignal;
}

/** What runs backends. Every call is idempotent and may be repeated after a crash in the middle of it. */
export interface WorkloadRuntime {
  /**
   * Makes the workload if there is none, begins an interrupted one anew, and says what is there then; a refusal is an
   * observation, not an error.
   */
  ensure(backend: Backend): Promise<WorkloadObservation>;
  observe(identity: WorkloadIdentity): Promise<WorkloadObservation>;
  /**
   * Asks the program to end, and after the grace period makes it. Returns at once; `absent` is observed when it is gone. A
   * later call can shorten the grace, never lengthen it.
   */
  remove(identity: WorkloadIdentity, graceSeconds: number): Promise<void>;
  /** Those that exist, so that what has lost its record can be found. */
  list(): Promise<readonly WorkloadIdentity[]>;
  /** Calls back when something about a workload may have changed, never before it returned. */
  watch(onChange: (identity: WorkloadIdentity) => void): () => void;
  /** What the program wrote, stdout and stderr as they came. Nothing where nothing is kept. */
  logs(identity: WorkloadIdentity, query?: LogQuery): AsyncIterable<Uint8Array>;
}
