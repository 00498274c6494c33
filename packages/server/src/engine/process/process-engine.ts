import { hostname } from "node:os";
import type { DatabaseSync } from "node:sqlite";
import type { RelayHost } from "../../core/relay-host.ts";
import type { Backend } from "../../core/resource.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Engine } from "../engine.ts";
import { SqliteBackendStore } from "./backend-store.ts";
import { refuseSeveralContainers } from "./command.ts";
import { openDatabase } from "./database.ts";
import { OutputFiles } from "./output-files.ts";
import { ProcessWorkloads } from "./process-workloads.ts";
import type { OpenRelayHost } from "./relay-host-server.ts";

export interface ProcessEngineOptions {
  /** Holds the database and the programs' output; made if needed, owned by one engine at a time. */
  stateDir: string;
  /** How many backends may live, or have ended with their programs still running. */
  backendsMax: number;
  /** Of each program's output, the newest part is kept: half of this at least, this at most, more for moments. Default 8 MiB. */
  outputBytesMax?: number;
  openRelayHost: OpenRelayHost;
  clock: Clock;
}

const outputBytesMax = 8 * 1024 * 1024;

/** Backends as child processes of this server, recorded in SQLite. */
export class ProcessEngine implements Engine {
  readonly backends: SqliteBackendStore;
  readonly workloads: ProcessWorkloads;
  readonly #database: DatabaseSync;
  #closing: Promise<void> | undefined;

  private constructor(parts: { database: DatabaseSync; backends: SqliteBackendStore; workloads: ProcessWorkloads }) {
    this.#database = parts.database;
    this.backends = parts.backends;
    this.workloads = parts.workloads;
  }

  /** Rejects with `unavailable` where the state folder is another's, or not to be read. */
  static async open(options: ProcessEngineOptions): Promise<ProcessEngine> {
    const { stateDir, backendsMax, openRelayHost, clock } = options;
    const database = openDatabase(stateDir);
    try {
      const output = new OutputFiles(stateDir, { bytesMax: options.outputBytesMax ?? outputBytesMax });
      const onDeleted = ({ metadata }: Backend) => output.remove(metadata.uid);
      let workloads: ProcessWorkloads | undefined;
      const programs = () => workloads?.running() ?? [];
      const backends = new SqliteBackendStore({
        ...{ database, clock, backendsMax, programs, onDeleted },
        admit: refuseSeveralContainers,
      });
      const { items } = await backends.list();
      output.removeAllBut(new Set(items.map(({ metadata }) => metadata.uid)));
      const nodeName = hostname();
      workloads = await ProcessWorkloads.open({ database, output, clock, nodeName, openRelayHost });
      return new ProcessEngine({ database, backends, workloads });
    } catch (error) {
      database.close();
      throw error;
    }
  }

  relayHost(backend: Backend): RelayHost | undefined {
    return this.workloads.relayHostOf(backend.metadata.uid)?.control;
  }

  close(): Promise<void> {
    this.#closing ??= this.workloads.release().then(() => this.#database.close());
    return this.#closing;
  }
}
