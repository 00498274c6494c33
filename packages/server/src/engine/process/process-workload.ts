import type { ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import type { WorkloadEnd, WorkloadObservation } from "../../core/decide.ts";
import type { Workload } from "../../core/workload.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import { groupHoldsSocket, identifyProcess, isSameProcess } from "../../lib/linux-processes.ts";
import type { ListenProbe } from "../../lib/listen-probe.ts";
import { describeExit, describeStartError, killStrays, signalGroup, startChild } from "./child.ts";
import { lastLines, type OutputFiles } from "./output-file.ts";
import type { RelayHostServer } from "./relay-host-server.ts";
import type { CommandTemplate } from "./templates.ts";
import type { WorkloadRecord, WorkloadTable } from "./workload-table.ts";

/** How much of a program's output goes into the message of its end. */
const messageLines = 10;
const messageBytesMax = 2_048;

/** How often to look whether an adopted program, which is not our child, still lives. */
const adoptedPollMs = 250;

export interface ProcessWorkloadDeps {
  readonly clock: Clock;
  readonly table: WorkloadTable;
  readonly output: OutputFiles;
  readonly probe: ListenProbe;
  readonly nodeName: string;
  /** Told of every change. */
  changed(): void;
  /** Told when nothing is left of it. */
  gone(): void;
}

/** One program and its relay host, from being started until nothing is left of either. */
export class ProcessWorkload {
  readonly #deps: ProcessWorkloadDeps;
  readonly #relayHost: RelayHostServer;
  #record: WorkloadRecord;
  #starting = false;
  #cleaning = false;
  #lifeTimer: Timer | undefined;
  #killTimer: Timer | undefined;
  readonly #over = new AbortController();

  constructor(record: WorkloadRecord, relayHost: RelayHostServer, deps: ProcessWorkloadDeps) {
    this.#record = record;
    this.#relayHost = relayHost;
    this.#deps = deps;
    deps.table.put(record);
  }

  get record(): WorkloadRecord {
    return this.#record;
  }

  get relayHost(): RelayHostServer {
    return this.#relayHost;
  }

  observe(): WorkloadObservation {
    const { process, end, stopping } = this.#record;
    const constructedAt = new Date(this.#record.constructedAt);
    if (stopping) return { kind: "stopping" };
    if (end !== undefined) return { kind: "ended", end: { ...end, at: new Date(end.at) } };
    const address = {
      ip: "127.0.0.1",
      port: this.#relayHost.port,
      nodeName: this.#deps.nodeName,
      workloadUID: this.#record.uid,
    };
    if (process === undefined) return { kind: "pending", constructedAt, scheduledAt: constructedAt, address };
    return {
      kind: "running",
      constructedAt,
      scheduledAt: constructedAt,
      runningAt: new Date(process.startedAt),
      address,
    };
  }

  /** Starts the program. A program that cannot be started is an end like any other. */
  async start(workload: Workload, template: CommandTemplate): Promise<void> {
    const { clock, output } = this.#deps;
    const file = output.openForAppend(workload.uid);
    this.#starting = true;
    try {
      const env = { ...workload.env, PORT: String(this.#record.programPort) };
      const child = await startChild({ template, env, output: file });
      this.#started(child);
    } catch (error) {
      this.#starting = false;
      this.#ended(describeStartError(error as NodeJS.ErrnoException, template, clock.now()));
    } finally {
      closeSync(file);
    }
  }

  /** Takes over a program that an earlier server started. */
  adopt(): void {
    if (this.#record.end !== undefined) {
      this.#relayHost.end();
    } else if (this.#isAlive()) {
      this.#awaitListening();
      this.#pollLife();
    } else {
      this.#lost();
    }
  }

  /** Asks the program to end; makes it when the grace is over. Further calls can only shorten the grace. */
  remove(graceMs: number): void {
    this.#relayHost.end();
    if (!this.#starting && !this.#isAlive()) return void this.#cleanUp();
    if (!this.#record.stopping) {
      this.#save({ stopping: true });
      this.#signal("SIGTERM");
    }
    this.#killTimer?.cancel();
    this.#killTimer = this.#deps.clock.after(graceMs, () => this.#signal("SIGKILL"));
  }

  /** Lets go of everything but the program, which lives on. */
  async release(): Promise<void> {
    this.#over.abort();
    this.#lifeTimer?.cancel();
    this.#killTimer?.cancel();
    await this.#relayHost.close();
  }

  #started(child: ChildProcess): void {
    const { clock } = this.#deps;
    const { pid } = child;
    if (pid === undefined) throw new Error("a child that was spawned has a pid");
    this.#starting = false;
    child.once("exit", (code, signal) => {
      // What the program has started goes with it: its leader is gone, and nobody else would end the rest.
      signalGroup(pid, "SIGKILL");
      this.#exited({ code, signal, at: clock.now() });
    });
    const identity = identifyProcess(pid) ?? { pid, startTime: "", bootId: "" };
    this.#save({ process: { ...identity, startedAt: clock.now().toISOString() } });
    if (this.#record.stopping) this.#signal("SIGTERM");
    else this.#awaitListening();
  }

  /** Tells the relay host when the program listens; nobody else's socket on the same port is taken for it. */
  #awaitListening(): void {
    const { probe } = this.#deps;
    const { programPort, process } = this.#record;
    const owns = (inode: string) => groupHoldsSocket(process?.pid ?? 0, inode);
    probe.waitFor(programPort, { owns, signal: this.#over.signal }).then(
      (host) => this.#relayHost.programListens({ host, port: programPort }),
      () => {}, // the program is over, and said to be so elsewhere
    );
  }

  #pollLife(): void {
    this.#lifeTimer = this.#deps.clock.after(adoptedPollMs, () => (this.#isAlive() ? this.#pollLife() : this.#lost()));
  }

  #lost(): void {
    this.#exited({ code: null, signal: null, at: this.#deps.clock.now() });
  }

  #exited(exit: { code: number | null; signal: string | null; at: Date }): void {
    const { name, uid } = this.#record;
    killStrays({ name, uid });
    const written = this.#deps.output.readTail(uid, messageBytesMax);
    this.#ended(describeExit(exit, lastLines(written, messageLines).toString("utf8")));
  }

  #ended(end: WorkloadEnd): void {
    this.#over.abort();
    this.#killTimer?.cancel();
    this.#relayHost.end();
    if (this.#record.stopping) return void this.#cleanUp();
    this.#save({ end: { ...end, at: end.at.toISOString() } });
  }

  async #cleanUp(): Promise<void> {
    if (this.#cleaning) return;
    this.#cleaning = true;
    this.#lifeTimer?.cancel();
    await this.#relayHost.close();
    this.#deps.table.remove(this.#record.uid);
    this.#deps.gone();
    this.#deps.changed();
  }

  #isAlive(): boolean {
    const { process, end } = this.#record;
    return process !== undefined && end === undefined && isSameProcess(process);
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#record.process !== undefined && this.#isAlive()) signalGroup(this.#record.process.pid, signal);
  }

  #save(change: Partial<WorkloadRecord>): void {
    this.#record = { ...this.#record, ...change };
    this.#deps.table.put(this.#record);
    this.#deps.changed();
  }
}
