import type { DatabaseSync } from "node:sqlite";
import type { WorkloadEnd } from "../../core/decide.ts";
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
  /** Absent until the program was started. */
  readonly process?: ProcessIdentity & { readonly startedAt: string };
  /** It was told to end. */
  readonly stopping?: true;
  readonly end?: Omit<WorkloadEnd, "at"> & { readonly at: string };
}

export class WorkloadTable {
  readonly #put;
  readonly #remove;
  readonly #all;

  constructor(database: DatabaseSync) {
    this.#put = database.prepare("INSERT OR REPLACE INTO workloads (uid, record) VALUES (?, ?)");
    this.#remove = database.prepare("DELETE FROM workloads WHERE uid = ?");
    this.#all = database.prepare("SELECT record FROM workloads");
  }

  put(record: WorkloadRecord): void {
    this.#put.run(record.uid, JSON.stringify(record));
  }

  remove(uid: string): void {
    this.#remove.run(uid);
  }

  all(): WorkloadRecord[] {
    return this.#all.all().map(({ record }) => JSON.parse(String(record)) as WorkloadRecord);
  }
}
