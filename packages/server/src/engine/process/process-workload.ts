import type { ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import type { WorkloadEnd, WorkloadObservation } from "../../core/decide.ts";
import type { Workload } from "../../core/workload.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import { identifyProcess, isSameProcess, socketsOfTree } from "../../lib/linux-processes.ts";
import type { ListenProbe } from "../../lib/listen-probe.ts";
import { exitOf, killStrays, signalGroup, startChild } from "./child.ts";
import {
  describeExit,
  describeNotListening,
  describePortsTaken,
  describeStartError,
  type ProgramExit,
} from "./describe.ts";
import { lastLines } from "./last-lines.ts";
import type { OutOfMemoryKills } from "./out-of-memory.ts";
import type { OutputFiles } from "./output-files.ts";
import type { OutputLimit } from "./output-limit.ts";
import { holdsSocketOf, listenedPorts, strangerListens } from "./port-owner.ts";
import type { RelayHostServer } from "./relay-host-server.ts";
import type { CommandTemplate } from "./templates.ts";
import type { WorkloadRecord, WorkloadTable } from "./workload-table.ts";

/** How much of a program's output goes into the message of its end. */
const messageLines = 10;
const messageBytesMax = 2_048;

/** How long a program may be expected to begin: before, nobody looks at what it does instead of listening. */
const expectedStartMs = 500;

/** How often to look whether an adopted program, which is not our child, still lives. */
const adoptedPollMs = 250;

/** How often a program is started anew because another one has taken its port. */
const movesMax = 3;

interface Command {
  readonly workload: Workload;
  readonly template: CommandTemplate;
}

export interface ProcessWorkloadDeps {
  readonly clock: Clock;
  readonly table: WorkloadTable;
  readonly output: OutputFiles;
  readonly outputLimit: OutputLimit;
  readonly outOfMemoryKills: OutOfMemoryKills;
  readonly probe: ListenProbe;
  readonly nodeName: string;
  /** Gives another port for one that somebody else has taken. */
  movePort(taken: number): Promise<number>;
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
  /** What was started, and is started again on another port if need be; undefined where it was adopted. */
  #command: Command | undefined;
  #child: ChildProcess | undefined;
  #listens = false;
  #moves = 0;
  #moving: Promise<void> | undefined;
  #lifeTimer: Timer | undefined;
  #kill: { readonly dueMs: number; readonly timer: Timer } | undefined;
  #cleaning: Promise<void> | undefined;
  /** Ends the wait for the program to listen. */
  #awaiting = new AbortController();

  constructor(record: WorkloadRecord, relayHost: RelayHostServer, deps: ProcessWorkloadDeps) {
    this.#record = record;
    this.#relayHost = relayHost;
    this.#deps = deps;
    if (record.end !== undefined) return;
    deps.outputLimit.add(record.uid);
    deps.outOfMemoryKills.add(record.uid);
  }

  get record(): WorkloadRecord {
    return this.#record;
  }

  get hasEnded(): boolean {
    return this.#record.end !== undefined;
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
      ...this.#notListening(),
    };
  }

  /** Starts the program. A program that cannot be started is an end like any other. */
  async start(workload: Workload, template: CommandTemplate): Promise<void> {
    this.#command = { workload, template };
    await this.#startProgram(this.#command);
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
    if (this.#moving !== undefined) return void this.#moving.then(() => this.remove(graceMs));
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
    await this.#moving;
    this.#awaiting.abort();
    this.#child?.off("exit", this.#onExit);
    this.#lifeTimer?.cancel();
    this.#kill?.timer.cancel();
    await (this.#cleaning ?? this.#relayHost.close());
  }

  async #startProgram({ workload, template }: Command): Promise<void> {
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
    // A program that finds its port taken may well end for it, and is not to blame.
    if (!this.#listens && !this.#record.stopping && this.#strangerListens()) return this.#portTaken();
    const leftOthers = this.#killAll();
    const outOfMemory = !this.#record.stopping && this.#deps.outOfMemoryKills.haveJustRisen();
    this.#exited({ code, signal, leftOthers, outOfMemory, at: this.#deps.clock.now() });
  };

  /** Tells the relay host when the program listens; nobody else's socket on the same port is taken for it. */
  #awaitListening(): void {
    const { probe } = this.#deps;
    const { programPort, process } = this.#record;
    if (process === undefined) return;
    const owns = holdsSocketOf(this.#record, process.pid);
    const sign = () => socketsOfTree(process.pid);
    const onTaken = () => this.#portTaken();
    const { signal } = this.#awaiting;
    probe.waitFor(programPort, { owns, sign, onTaken, signal }).then(
      (host) => {
        if (signal.aborted) return;
        this.#listens = true;
        this.#relayHost.programListens({ host, port: programPort });
      },
      () => {}, // the program is over, or is to be, and said to be so elsewhere
    );
  }

  #strangerListens(): boolean {
    const { programPort, process } = this.#record;
    return process !== undefined && strangerListens(programPort, holdsSocketOf(this.#record, process.pid));
  }

  /** Another program listens on the port that this one was promised: it is started anew, with another port. */
  #portTaken(): void {
    this.#child?.off("exit", this.#onExit);
    this.#awaiting.abort();
    this.#killAll();
    const command = this.#command;
    if (command === undefined || this.#moves === movesMax) {
      this.#lifeTimer?.cancel();
      return this.#ended(describePortsTaken(this.#moves + 1, this.#deps.clock.now()));
    }
    this.#moves += 1;
    this.#moving = this.#move(command).finally(() => {
      this.#moving = undefined;
    });
  }

  async #move(command: Command): Promise<void> {
    if (this.#child !== undefined) await exitOf(this.#child);
    try {
      const programPort = await this.#deps.movePort(this.#record.programPort);
      const { process: _, ...record } = this.#record;
      this.#record = record; // without its process: after a crash it is begun anew
      this.#awaiting = new AbortController();
      this.#save({ programPort });
    } catch (error) {
      return this.#ended(describeStartError(error as NodeJS.ErrnoException, command.template, this.#deps.clock.now()));
    }
    await this.#startProgram(command);
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
  #killGroup(): boolean {
    return this.#record.process !== undefined && signalGroup(this.#record.process.pid, "SIGKILL");
  }

  /** Returns whether there was anybody left. */
  #killAll(): boolean {
    const hadGroup = this.#killGroup();
    return killStrays(this.#record) || hadGroup;
  }

  #lost(): void {
    killStrays(this.#record);
    const unknown = { code: null, signal: null, leftOthers: false, outOfMemory: false };
    this.#exited({ ...unknown, at: this.#deps.clock.now() });
  }

  #exited(exit: ProgramExit): void {
    this.#ended(describeExit(exit, this.#lastOutput()));
  }

  #notListening(): { notListening?: string } {
    const { programPort, process } = this.#record;
    if (process === undefined || this.#listens) return {};
    if (this.#deps.clock.now().getTime() - Date.parse(process.startedAt) < expectedStartMs) return {};
    const elsewhere = listenedPorts(this.#record, process.pid).filter((port) => port !== programPort);
    return { notListening: describeNotListening(programPort, elsewhere, this.#lastOutput()) };
  }

  #lastOutput(): string {
    const written = this.#deps.output.readTail(this.#record.uid, messageBytesMax);
    return lastLines(written, messageLines).toString("utf8");
  }

  #ended(end: WorkloadEnd): void {
    this.#awaiting.abort();
    this.#kill?.timer.cancel();
    this.#relayHost.end();
    this.#deps.outputLimit.remove(this.#record.uid);
    this.#deps.outOfMemoryKills.remove(this.#record.uid);
    this.#save({ end: { ...end, at: end.at.toISOString() } });
    if (this.#record.stopping) this.#cleanUp();
  }

  #cleanUp(): void {
    this.#cleaning ??= this.#relayHost.close().then(() => {
      this.#deps.table.removeSoon(this.#record.uid);
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
    this.#deps.table.putSoon(this.#record);
    this.#deps.changed();
  }
}
