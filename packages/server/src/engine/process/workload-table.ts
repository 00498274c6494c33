import type { DatabaseSync } from "node:sqlite";
import type { WorkloadEnd } from "../../core/decide.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import type { ProcessIdentity } from "../../lib/linux-processes.ts";

/** What has to be known of a workload after a restart. Times are RFC 3339. */
export interface WorkloadRecord {
  readonly name: string;
  readonly uid: string;
  /** Given to the program as PORT. */
  readonly programPort: number;
  readonly relayPort: number;
  readonly constructedAt: string;
  readonly gracePeriodSeconds: number;
  readonly firstClientSeconds: number;
  /** Default, of servers that did not know it: 0. */
  readonly silentConnectionSeconds?: number;
  /** As the program was told, once it was started. */
  readonly fencingToken?: string;
  /** Absent until the program was started. */
  readonly process?: ProcessIdentity & { readonly startedAt: string };
  /** The program was seen to listen. */
  readonly listens?: true;
  /** How often it was given another port, because somebody else had taken the one before. */
  readonly moves?: number;
  /** It was told to end. */
  readonly stopping?: true;
  readonly end?: Omit<WorkloadEnd, "at"> & { readonly at: string };
}

/** How long to wait before what could not be written is tried again. */
const retryMs = 1_000;

/**
 * The workloads of a state folder, as a server that comes after this one finds them. What has happened to a program is so,
 * whether the disk takes it (a full one does not) or not: it is written as soon as it can be.
 */
export class WorkloadTable {
  readonly #clock: Clock;
  readonly #put;
  readonly #remove;
  readonly #all;
  /** By UID, what is still to be written; undefined: to be removed. */
  readonly #unwritten = new Map<string, WorkloadRecord | undefined>();
  #retry: Timer | undefined;
  #isClosed = false;

  constructor(database: DatabaseSync, clock: Clock) {
    this.#clock = clock;
    this.#put = database.prepare("INSERT OR REPLACE INTO workloads (uid, record) VALUES (?, ?)");
    this.#remove = database.prepare("DELETE FROM workloads WHERE uid = ?");
    this.#all = database.prepare("SELECT record FROM workloads");
  }

  /** Writes the record, or throws. */
  put(record: WorkloadRecord): void {
    this.#put.run(record.uid, JSON.stringify(record));
    this.#unwritten.delete(record.uid);
  }

  /** Writes the record now, or as soon as that is possible. */
  putSoon(record: WorkloadRecord): void {
    this.#writeSoon(record.uid, record);
  }

  /** Removes the record now, or as soon as that is possible. */
  removeSoon(uid: string): void {
    this.#writeSoon(uid, undefined);
  }

  all(): WorkloadRecord[] {
    return this.#all.all().map(({ record }) => JSON.parse(String(record)) as WorkloadRecord);
  }

  /** Makes a last attempt at what is still to be written. To be called before the database is closed. */
  close(): void {
    this.#isClosed = true;
    this.#writeAll();
  }

  #writeSoon(uid: string, record: WorkloadRecord | undefined): void {
    this.#unwritten.set(uid, record);
    this.#writeAll();
  }

  #writeAll(): void {
    this.#retry?.cancel();
    try {
      for (const [uid, record] of this.#unwritten) {
        if (record === undefined) this.#remove.run(uid);
        else this.#put.run(uid, JSON.stringify(record));
        this.#unwritten.delete(uid);
      }
    } catch {
      // Nobody could do anything about it here: the next write of a backend fails for the same reason, and is told of.
      // Behind the last attempt somebody may still hear of an end: the next server finds out by itself.
      if (!this.#isClosed) this.#retry = this.#clock.after(retryMs, () => this.#writeAll());
    }
  }
}
