import type { ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import type { WorkloadEnd, WorkloadObservation } from "../../core/decide.ts";
import type { Workload } from "../../core/workload.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import { groupHoldsSocket, identifyProcess, isSameProcess, socketsOfTree } from "../../lib/linux-processes.ts";
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
  #child: ChildProcess | undefined;
  #lifeTimer: Timer | undefined;
  #kill: { readonly dueMs: number; readonly timer: Timer } | undefined;
  #cleaning: Promise<void> | undefined;
  /** Ends the wait for the program to listen. */
  readonly #awaiting = new AbortController();

  /** Records the workload; throws where that cannot be written, since then no program may be started. */
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
    if (end !== undefined) {
      return {
        kind: "ended",
        end: { ...end, at: new Date(end.at) },
        constructedAt,
        scheduledAt: constructedAt,
        ...(process === undefined ? {} : { runningAt: new Date(process.startedAt) }),
      };
    }
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
    let file: number | undefined;
    try {
      file = output.openForAppend(workload.uid);
      const env = { ...workload.env, PORT: String(this.#record.programPort) };
      this.#started(await startChild({ template, env, output: file }));
    } catch (error) {
      this.#ended(describeStartError(error as NodeJS.ErrnoException, template, clock.now()));
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  /** Takes over a program that an earlier server started. */
  adopt(): void {
    const { end, stopping } = this.#record;
    if (end !== undefined || stopping) this.#relayHost.end();
    if (end !== undefined) return;
    if (!this.#isAlive()) return this.#lost();
    if (!stopping) this.#awaitListening();
    this.#pollLife();
  }

  /**
   * Asks the program, once it was started, to end; makes it when the grace is over. Further calls can only shorten the
   * grace. The end itself is waited for even where the program is seen to be gone: it has yet to be told, and recorded.
   */
  remove(graceMs: number): void {
    this.#awaiting.abort();
    this.#relayHost.end();
    if (this.#record.end !== undefined) return this.#cleanUp();
    if (!this.#record.stopping) {
      this.#save({ stopping: true });
      this.#signal("SIGTERM");
    }
    const { clock } = this.#deps;
    const dueMs = clock.monotonicMs() + graceMs;
    if (this.#kill !== undefined && this.#kill.dueMs <= dueMs) return;
    this.#kill?.timer.cancel();
    this.#kill = { dueMs, timer: clock.after(graceMs, () => this.#signal("SIGKILL")) };
  }

  /** Lets go of everything but the program, which lives on. */
  async release(): Promise<void> {
    this.#awaiting.abort();
    this.#child?.off("exit", this.#onExit);
    this.#lifeTimer?.cancel();
    this.#kill?.timer.cancel();
    await (this.#cleaning ?? this.#relayHost.close());
  }

  #started(child: ChildProcess): void {
    const { pid } = child;
    if (pid === undefined) throw new Error("a child that was spawned has a pid");
    this.#child = child;
    child.once("exit", this.#onExit);
    const identity = identifyProcess(pid) ?? { pid, startTime: "", bootId: "" };
    this.#save({ process: { ...identity, startedAt: this.#deps.clock.now().toISOString() } });
    this.#awaitListening();
  }

  readonly #onExit = (code: number | null, signal: NodeJS.Signals | null): void => {
    this.#killGroup();
    this.#exited({ code, signal, at: this.#deps.clock.now() });
  };

  /** Tells the relay host when the program listens; nobody else's socket on the same port is taken for it. */
  #awaitListening(): void {
    const { probe } = this.#deps;
    const { programPort, process } = this.#record;
    if (process === undefined) return;
    const owns = (inode: string) => groupHoldsSocket(process.pid, inode);
    const sign = () => socketsOfTree(process.pid);
    const { signal } = this.#awaiting;
    probe.waitFor(programPort, { owns, sign, signal }).then(
      (host) => signal.aborted || this.#relayHost.programListens({ host, port: programPort }),
      () => {}, // the program is over, or is to be, and said to be so elsewhere
    );
  }

  #pollLife(): void {
    this.#lifeTimer = this.#deps.clock.after(adoptedPollMs, () => {
      if (this.#isAlive()) return this.#pollLife();
      this.#killGroup();
      this.#lost();
    });
  }

  /**
   * Ends what the program has started: its leader is gone, and nobody else would end the rest. Only to be called just after
   * the leader's end, before another process can have its pid.
   */
  #killGroup(): void {
    if (this.#record.process !== undefined) signalGroup(this.#record.process.pid, "SIGKILL");
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
    this.#awaiting.abort();
    this.#kill?.timer.cancel();
    this.#relayHost.end();
    this.#save({ end: { ...end, at: end.at.toISOString() } });
    if (this.#record.stopping) this.#cleanUp();
  }

  #cleanUp(): void {
    this.#cleaning ??= this.#relayHost.close().then(() => {
      tryToWrite(() => this.#deps.table.remove(this.#record.uid));
      this.#deps.gone();
      this.#deps.changed();
    });
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
    tryToWrite(() => this.#deps.table.put(this.#record));
    this.#deps.changed();
  }
}

/**
 * What happened to a program is so, whether it can be written (a full disk) or not, and whoever opens the folder next finds
 * it out from the process itself. To fail here would end the server, and be no help to the program.
 */
function tryToWrite(write: () => void): void {
  try {
    write();
  } catch {
    // see above
  }
}
