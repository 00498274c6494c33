import type { ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import type { WorkloadEnd, WorkloadObservation } from "../../core/decide.ts";
import { messageBytesMax, messageLinesMax } from "../../core/describe-output.ts";
import type { Workload } from "../../core/workload.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import { lastLines } from "../../lib/last-lines.ts";
import { identifyProcess, isSameProcess, socketsOfTree } from "../../lib/linux-processes.ts";
import type { ListenProbe } from "../../lib/listen-probe.ts";
import { exitOf, killStrays, signalGroup, startChild, untilStrayless } from "./child.ts";
import type { Command } from "./command.ts";
import {
  describeElsewhere,
  describeExit,
  describePortsTaken,
  describeStartError,
  type ProgramExit,
} from "./describe.ts";
import type { OutOfMemoryKills } from "./out-of-memory.ts";
import type { OutputFiles } from "./output-files.ts";
import type { OutputLimit } from "./output-limit.ts";
import { holdsSocketOf, listenedPorts, strangerListens } from "./port-owner.ts";
import type { RelayHostServer } from "./relay-host-server.ts";
import type { WorkloadRecord, WorkloadTable } from "./workload-table.ts";

/** How long a program may be expected to begin: before, nobody looks at what it does instead of listening. */
const expectedStartMs = 500;

/** How often to look whether an adopted program, which is not our child, still lives. */
const adoptedPollMs = 250;

/** How often a program is started anew because another one has taken its port. */
const movesMax = 3;

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
  #child: ChildProcess | undefined;
  #isStarting = false;
  #wasAskedToEnd = false;
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

  /** Nothing runs though it has no end: it is to be started anew. */
  get isInterrupted(): boolean {
    const { process, end, stopping } = this.#record;
    return process === undefined && end === undefined && !stopping && !this.#isStarting;
  }

  get relayHost(): RelayHostServer {
    return this.#relayHost;
  }

  observe(): WorkloadObservation {
    const { process, end, stopping, fencingToken } = this.#record;
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
    if (this.isInterrupted) return { kind: "interrupted", constructedAt, scheduledAt: constructedAt };
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
      ...(fencingToken === undefined ? {} : { fencingToken }),
      ...this.#notListening(),
    };
  }

  /** Starts the program. A program that cannot be started is an end like any other. */
  async start(workload: Workload, command: Command): Promise<void> {
    const { clock, output } = this.#deps;
    let file: number | undefined;
    this.#isStarting = true;
    try {
      file = output.openForAppend(workload.uid);
      const env = { ...workload.env, ...this.#relayHost.programEnv, PORT: String(this.#record.programPort) };
      this.#started(await startChild({ command, env, output: file }), workload.fencingToken);
    } catch (error) {
      this.#ended(describeStartError(error as NodeJS.ErrnoException, command, clock.now()));
    } finally {
      this.#isStarting = false;
      if (file !== undefined) closeSync(file);
    }
  }

  /**
   * Starts the program of an interrupted workload, on another port, when nothing is left of what was started before: there
   * are never two at once.
   */
  async startAnew(workload: Workload, command: Command): Promise<void> {
    await this.#nobodyLeft();
    const programPort = await this.#deps.movePort(this.#record.programPort);
    this.#awaiting = new AbortController();
    this.#save({ programPort });
    await this.start(workload, command);
  }

  /** Takes over a program that an earlier server started. */
  adopt(): void {
    const { process, end, stopping } = this.#record;
    if (end !== undefined || stopping) this.#relayHost.end();
    if (end !== undefined) return;
    // Nobody knows whether it was started: what was is ended, and then it is interrupted.
    if (process === undefined) return void killStrays(this.#record);
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
    if (!this.#record.stopping) this.#save({ stopping: true });
    // Interrupted. What does not go though it was killed would not go for another signal either.
    if (this.#record.process === undefined) return void this.#nobodyLeft().then(this.#cleanUp, this.#cleanUp);
    if (!this.#wasAskedToEnd) {
      // Also where an earlier server recorded that it was to end: it may have been killed before it could ask.
      this.#wasAskedToEnd = true;
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

  #started(child: ChildProcess, fencingToken: string): void {
    const { pid } = child;
    if (pid === undefined) throw new Error("a child that was spawned has a pid");
    this.#child = child;
    child.once("exit", this.#onExit);
    const identity = identifyProcess(pid) ?? { pid, startTime: "", bootId: "" };
    this.#save({ process: { ...identity, startedAt: this.#deps.clock.now().toISOString() }, fencingToken });
    this.#awaitListening();
  }

  readonly #onExit = (code: number | null, signal: NodeJS.Signals | null): void => {
    const isPortTaken = this.#mayHaveEndedForItsPort();
    const leftOthers = this.#killAll();
    if (isPortTaken) return this.#portTaken();
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
    const onTaken = () => {
      this.#killAll();
      this.#portTaken();
    };
    const { signal } = this.#awaiting;
    probe.waitFor(programPort, { owns, sign, onTaken, signal }).then(
      (host) => {
        if (signal.aborted) return;
        if (!this.#record.listens) this.#store({ listens: true });
        this.#relayHost.programListens({ host, port: programPort });
      },
      () => {}, // the program is over, or is to be, and said to be so elsewhere
    );
  }

  /** A program that finds its port taken may well end for it, and is not to blame. */
  #mayHaveEndedForItsPort(): boolean {
    const { programPort, process, listens, stopping } = this.#record;
    if (process === undefined || listens || stopping) return false;
    return strangerListens(programPort, holdsSocketOf(this.#record, process.pid));
  }

  /**
   * Another program listens on the port that this one was promised. This one has been ended, or has ended for it, and is
   * interrupted: it is started anew, with another port.
   */
  #portTaken(): void {
    this.#child?.off("exit", this.#onExit);
    this.#lifeTimer?.cancel();
    this.#awaiting.abort();
    const { moves = 0 } = this.#record;
    if (moves === movesMax) {
      const refusal = { attempts: moves + 1, at: this.#deps.clock.now() };
      return this.#ended(describePortsTaken(refusal, this.#lastOutput()));
    }
    const { process: _, ...record } = this.#record;
    this.#record = record;
    this.#save({ moves: moves + 1 });
  }

  /** Resolves when no process of it is left; all have been killed. Rejects where one does not go. */
  async #nobodyLeft(): Promise<void> {
    if (this.#child !== undefined) await exitOf(this.#child);
    await untilStrayless(this.#record, this.#deps.clock);
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

  /** The program of an earlier server is over, and nobody knows how. */
  #lost(): void {
    const isPortTaken = this.#mayHaveEndedForItsPort();
    killStrays(this.#record);
    if (isPortTaken) return this.#portTaken();
    const unknown = { code: null, signal: null, leftOthers: false, outOfMemory: false };
    this.#exited({ ...unknown, at: this.#deps.clock.now() });
  }

  #exited(exit: ProgramExit): void {
    this.#ended(describeExit(exit, this.#lastOutput()));
  }

  #notListening(): { notListening?: string } {
    const { programPort, process } = this.#record;
    if (process === undefined || this.#record.listens) return {};
    if (this.#deps.clock.now().getTime() - Date.parse(process.startedAt) < expectedStartMs) return {};
    const elsewhere = listenedPorts(this.#record, process.pid).filter((port) => port !== programPort);
    return elsewhere.length === 0 ? {} : { notListening: describeElsewhere(programPort, elsewhere) };
  }

  #lastOutput(): string {
    const written = this.#deps.output.readTail(this.#record.uid, messageBytesMax);
    return lastLines(written, messageLinesMax).toString("utf8");
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

  readonly #cleanUp = (): void => {
    this.#cleaning ??= this.#relayHost.close().then(() => {
      this.#deps.table.removeSoon(this.#record.uid);
      this.#deps.gone();
      this.#deps.changed();
    });
  };

  #isAlive(): boolean {
    const { process, end } = this.#record;
    return process !== undefined && end === undefined && isSameProcess(process);
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#record.process !== undefined && this.#isAlive()) signalGroup(this.#record.process.pid, signal);
  }

  /** Records what an observer sees. */
  #save(change: Partial<WorkloadRecord>): void {
    this.#store(change);
    this.#deps.changed();
  }

  #store(change: Partial<WorkloadRecord>): void {
    this.#record = { ...this.#record, ...change };
    this.#deps.table.putSoon(this.#record);
  }
}
