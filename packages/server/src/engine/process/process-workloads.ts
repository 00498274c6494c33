import type { DatabaseSync } from "node:sqlite";
import type { WorkloadObservation } from "../../core/decide.ts";
import { SpawnerError } from "../../core/errors.ts";
import type { Backend } from "../../core/resource.ts";
import { buildWorkload, type Workload } from "../../core/workload.ts";
import type { Clock } from "../../lib/clock.ts";
import { ListenProbe } from "../../lib/listen-probe.ts";
import type { LogQuery, WorkloadIdentity, WorkloadRuntime } from "../engine.ts";
import { commandOf } from "./command.ts";
import { findFreePort } from "./free-port.ts";
import { OutOfMemoryKills } from "./out-of-memory.ts";
import type { OutputFiles } from "./output-files.ts";
import { OutputLimit } from "./output-limit.ts";
import { ProcessWorkload } from "./process-workload.ts";
import { readOutput } from "./read-output.ts";
import type { OpenRelayHost, RelayHostServer } from "./relay-host-server.ts";
import { type WorkloadRecord, WorkloadTable } from "./workload-table.ts";

export interface ProcessWorkloadsOptions {
  database: DatabaseSync;
  output: OutputFiles;
  clock: Clock;
  nodeName: string;
  openRelayHost: OpenRelayHost;
}

/** Workloads as child processes, each with a relay host in this process. */
export class ProcessWorkloads implements WorkloadRuntime {
  readonly #options: ProcessWorkloadsOptions;
  readonly #table: WorkloadTable;
  readonly #probe: ListenProbe;
  readonly #outputLimit: OutputLimit;
  readonly #outOfMemoryKills: OutOfMemoryKills;
  readonly #workloads = new Map<string, ProcessWorkload>();
  /** Being made, by UID: whoever asks for the same one meanwhile gets this one. */
  readonly #beginning = new Map<string, Promise<WorkloadObservation>>();
  #released = false;
  readonly #portsInUse = new Set<number>();
  readonly #watchers = new Set<(identity: WorkloadIdentity) => void>();

  private constructor(options: ProcessWorkloadsOptions) {
    this.#options = options;
    this.#table = new WorkloadTable(options.database, options.clock);
    this.#probe = new ListenProbe(options.clock);
    this.#outputLimit = new OutputLimit(options);
    this.#outOfMemoryKills = new OutOfMemoryKills(options.clock);
  }

  /** Takes over what an earlier server left: living programs go on, half-started ones are ended and are to be ensured anew. */
  static async open(options: ProcessWorkloadsOptions): Promise<ProcessWorkloads> {
    const workloads = new ProcessWorkloads(options);
    try {
      for (const record of workloads.#table.all()) await workloads.#adopt(record);
    } catch (error) {
      await workloads.release();
      throw error;
    }
    return workloads;
  }

  async ensure(backend: Backend): Promise<WorkloadObservation> {
    if (this.#released) throw new SpawnerError("unavailable", "The engine is closed and starts nothing any more.");
    const { uid } = backend.metadata;
    const beginning = this.#beginning.get(uid);
    if (beginning !== undefined) return beginning;
    const existing = this.#workloads.get(uid);
    if (existing !== undefined && !existing.isInterrupted) return existing.observe();

    const begun = this.#begin(buildWorkload(backend)).finally(() => this.#beginning.delete(uid));
    this.#beginning.set(uid, begun);
    return begun;
  }

  async observe({ uid }: WorkloadIdentity): Promise<WorkloadObservation> {
    return this.#workloads.get(uid)?.observe() ?? { kind: "absent" };
  }

  async remove({ uid }: WorkloadIdentity, graceSeconds: number): Promise<void> {
    await this.#beginning.get(uid)?.catch(() => {}); // whoever asked for it is told
    this.#workloads.get(uid)?.remove(graceSeconds * 1000);
  }

  async list(): Promise<readonly WorkloadIdentity[]> {
    return [...this.#workloads.values()].map(({ record: { name, uid } }) => ({ name, uid }));
  }

  watch(onChange: (identity: WorkloadIdentity) => void): () => void {
    let watching = true;
    const deliver = (identity: WorkloadIdentity) => queueMicrotask(() => watching && onChange(identity));
    this.#watchers.add(deliver);
    return () => {
      watching = false;
      this.#watchers.delete(deliver);
    };
  }

  logs({ uid }: WorkloadIdentity, query: LogQuery = {}): AsyncIterable<Uint8Array> {
    const { clock, output } = this.#options;
    const isOver = () => this.#released || (this.#workloads.get(uid)?.hasEnded ?? !this.#beginning.has(uid));
    return readOutput({ clock, output, uid, isOver }, query);
  }

  /** Those whose programs are not over. */
  running(): WorkloadIdentity[] {
    return [...this.#workloads.values()].filter(({ hasEnded }) => !hasEnded).map(({ record }) => record);
  }

  relayHostOf(uid: string): RelayHostServer | undefined {
    return this.#workloads.get(uid)?.relayHost;
  }

  recordOf(uid: string): WorkloadRecord | undefined {
    return this.#workloads.get(uid)?.record;
  }

  /** Closes the relay hosts. The programs live on. */
  async release(): Promise<void> {
    this.#released = true;
    await Promise.allSettled(this.#beginning.values());
    await Promise.all([...this.#workloads.values()].map((workload) => workload.release()));
    this.#outputLimit.close();
    this.#outOfMemoryKills.close();
    this.#table.close();
  }

  async #begin(workload: Workload): Promise<WorkloadObservation> {
    const command = commandOf(workload);
    if (command === undefined) {
      const message = "There is nothing to run: template.containers[0].command is needed on a local engine.";
      return { kind: "ended", end: { reason: "InvalidSpec", message, at: this.#options.clock.now() } };
    }
    const interrupted = this.#workloads.get(workload.uid);
    if (interrupted !== undefined) {
      await interrupted.startAnew(workload, command);
      return interrupted.observe();
    }
    const made = await this.#make(workload);
    await made.start(workload, command);
    return made.observe();
  }

  async #make(workload: Workload): Promise<ProcessWorkload> {
    const { name, uid, gracePeriodSeconds, firstClientSeconds, silentConnectionSeconds } = workload;
    const programPort = await this.#reservePort();
    const record = { name, uid, programPort, gracePeriodSeconds, firstClientSeconds, silentConnectionSeconds };
    let relayHost: RelayHostServer | undefined;
    try {
      relayHost = await this.#openRelayHost({ ...record, relayPort: 0 }, false);
      const constructedAt = this.#options.clock.now().toISOString();
      const complete = { ...record, relayPort: relayHost.port, constructedAt };
      this.#table.put(complete); // where that cannot be written no program may be started
      return this.#add(complete, relayHost);
    } catch (error) {
      this.#portsInUse.delete(programPort);
      await relayHost?.close();
      throw error;
    }
  }

  async #adopt(record: WorkloadRecord): Promise<void> {
    this.#portsInUse.add(record.programPort);
    // What never listened never had a client.
    const relayHost = await this.#openRelayHost(record, record.listens === true);
    const { port } = relayHost;
    if (port !== record.relayPort) this.#table.putSoon({ ...record, relayPort: port });
    this.#add({ ...record, relayPort: port }, relayHost).adopt();
  }

  #add(record: WorkloadRecord, relayHost: RelayHostServer): ProcessWorkload {
    const { name, uid } = record;
    const workload: ProcessWorkload = new ProcessWorkload(record, relayHost, {
      clock: this.#options.clock,
      table: this.#table,
      output: this.#options.output,
      outputLimit: this.#outputLimit,
      outOfMemoryKills: this.#outOfMemoryKills,
      probe: this.#probe,
      nodeName: this.#options.nodeName,
      movePort: async (taken) => {
        const port = await this.#reservePort();
        this.#portsInUse.delete(taken);
        return port;
      },
      changed: () => this.#tell({ name, uid }),
      gone: () => {
        this.#workloads.delete(uid);
        this.#portsInUse.delete(workload.record.programPort);
      },
    });
    this.#workloads.set(uid, workload);
    return workload;
  }

  /** On the port it had before, where that is still free. */
  async #openRelayHost(record: Omit<WorkloadRecord, "constructedAt">, adopted: boolean): Promise<RelayHostServer> {
    const { openRelayHost } = this.#options;
    const { name, uid, relayPort, gracePeriodSeconds, firstClientSeconds, silentConnectionSeconds = 0 } = record;
    const rules = { gracePeriodSeconds, firstClientSeconds, silentConnectionSeconds };
    const options = { identity: `${name}/${uid}`, ...rules, adopted };
    try {
      return await openRelayHost({ ...options, port: relayPort });
    } catch (error) {
      if (relayPort === 0 || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      return openRelayHost({ ...options, port: 0 });
    }
  }

  async #reservePort(): Promise<number> {
    for (;;) {
      const port = await findFreePort(this.#portsInUse);
      if (this.#portsInUse.has(port)) continue; // another start took it while we looked
      this.#portsInUse.add(port);
      return port;
    }
  }

  #tell(identity: WorkloadIdentity): void {
    for (const deliver of this.#watchers) deliver(identity);
  }
}
