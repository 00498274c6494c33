import { deadlines } from "../core/deadlines.ts";
import { type Decision, decide, needsHost, needsOutput, type Observed } from "../core/decide.ts";
import { isSpawnerError, SpawnerError } from "../core/errors.ts";
import { type Backend, completeSpec } from "../core/resource.ts";
import { hasEnded, stateOf } from "../core/status.ts";
import { identityOf } from "../core/workload.ts";
import {
  askListens,
  type BackendChange,
  type Engine,
  type Precondition,
  readLastOutput,
  troubleOf,
  type WorkloadIdentity,
} from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import { KeyedQueue } from "../lib/keyed-queue.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import type { Running } from "../lib/running.ts";
import { type ControllerMetrics, controllerMetrics } from "./metrics.ts";
import { RecordLimit } from "./record-limit.ts";

export interface ControllerConfig {
  /** How long the record of an ended backend stays readable. */
  retainSeconds: number;
  /** How many records of ended backends are kept at most; the oldest go first. */
  recordsMax: number;
  /** How many backends are worked on at once. */
  concurrency: number;
}

export interface ControllerDeps {
  engine: Engine;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

export interface Controller extends Running {
  /**
   * Ends every backend, as `Drained`, and resolves when no workload is left. A program that goes on is killed after its
   * own grace or `graceSecondsMax`, whichever is shorter.
   */
  drain(options: { graceSecondsMax: number }): Promise<void>;
}

/** Brings workloads and records to where each backend's spec and life want them. */
export function run(config: ControllerConfig, deps: ControllerDeps): Controller {
  return new Reconciler(config, deps);
}

class Reconciler implements Controller {
  readonly #config: ControllerConfig;
  readonly #deps: ControllerDeps;
  readonly #queue: KeyedQueue;
  readonly #records: RecordLimit;
  readonly #metrics: ControllerMetrics;
  readonly #unwatch: (() => void)[];
  /** Late starts whose relay host could not be asked when that was last tried. */
  readonly #unheard = new Set<string>();
  #drain: { graceSecondsMax: number } | undefined;

  constructor(config: ControllerConfig, deps: ControllerDeps) {
    const { engine, clock, log } = deps;
    this.#config = config;
    this.#deps = deps;
    this.#records = new RecordLimit(config.recordsMax);
    this.#queue = new KeyedQueue({
      clock,
      work: (key) => this.#measuredReconcile(parseKey(key)),
      onError: (key, error, { isFirst }) => {
        this.#metrics.reconcileErrors.add();
        // One line for a trouble, however often it is tried in vain.
        const { name: backend, uid } = parseKey(key);
        log[isFirst ? "warn" : "debug"]({ backend, uid, ...troubleOf(error) }, "reconcile failed, will be tried again");
      },
      concurrency: config.concurrency,
      retryFirstMs: deadlines.reconcileRetryFirstMs,
      retryMostMs: deadlines.reconcileRetryMostMs,
    });
    this.#metrics = controllerMetrics(deps.metrics, { queueDepth: () => this.#queue.depth });
    this.#unwatch = [
      engine.backends.watch((change) => this.#onChange(change)),
      engine.workloads.watch((identity) => this.#queue.add(keyOf(identity))),
    ];
  }

  async drain(options: { graceSecondsMax: number }): Promise<void> {
    const { engine } = this.#deps;
    this.#drain = options;
    const { items } = await engine.backends.list();
    for (const backend of items) this.#queue.add(identityOf(backend));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const check = () => void this.#isDrained().then((drained) => drained && resolve(), reject);
    const unwatch = [engine.workloads.watch(check), engine.backends.watch(check)];
    await promise.finally(() => {
      for (const stop of unwatch) stop();
    });
  }

  async close(): Promise<void> {
    for (const stop of this.#unwatch) stop();
    await this.#queue.close();
  }

  #onChange(change: BackendChange): void {
    if (change.kind === "synced") return void this.#findOrphans();
    this.#metrics.backends.note(change);
    const key = identityOf(change.backend);
    if (change.kind === "deleted" || stateOf(change.backend) === "Ready" || hasEnded(change.backend)) {
      this.#unheard.delete(key);
    }
    if (change.kind === "deleted") this.#records.forget(key);
    else for (const surplus of this.#records.note(key, change.backend)) this.#queue.add(surplus);
    this.#queue.add(key);
  }

  /** Workloads whose record went while nobody watched. */
  async #findOrphans(): Promise<void> {
    try {
      for (const identity of await this.#deps.engine.workloads.list()) this.#queue.add(keyOf(identity));
    } catch (error) {
      this.#deps.log.error({ err: error }, "workloads cannot be listed");
    }
  }

  async #measuredReconcile(identity: WorkloadIdentity): Promise<number | undefined> {
    const { clock } = this.#deps;
    const startMs = clock.monotonicMs();
    try {
      return await this.#reconcile(identity);
    } finally {
      this.#metrics.reconcileDuration.observe((clock.monotonicMs() - startMs) / 1000);
    }
  }

  /** Observes, decides, applies. Resolves to when to look again. */
  async #reconcile(identity: WorkloadIdentity): Promise<number | undefined> {
    const { engine } = this.#deps;
    const stored = await engine.backends.get(identity.name);
    const backend = stored?.metadata.uid === identity.uid ? stored : undefined;
    const workload = await engine.workloads.observe(identity);
    const decision = await this.#decide(identity, { backend, workload });
    if (decision.workload !== "ensure" || backend === undefined) return this.#apply(identity, backend, decision);
    const made = await engine.workloads.ensure(backend);
    if (made.kind === "absent") throw new Error(`the engine made no workload for ${keyOf(identity)}`);
    return this.#apply(identity, backend, await this.#decide(identity, { backend, workload: made }));
  }

  /** Decides by what was observed, and by what is asked for where it matters. */
  async #decide(identity: WorkloadIdentity, seen: Observed): Promise<Decision> {
    const now = this.#deps.clock.now();
    const { backend } = seen;
    const surplus = backend !== undefined && this.#records.isSurplus(identityOf(backend));
    const retainSeconds = surplus ? 0 : this.#config.retainSeconds;
    const config = { retainSeconds, draining: this.#drain !== undefined };
    const first = decide(seen, now, config);
    const isAsked = backend !== undefined && needsHost(first);
    const observed = isAsked ? { ...seen, ...(await this.#askHost(backend)) } : seen;
    const decision = isAsked ? decide(observed, now, config) : first;
    if (!needsOutput(decision)) return decision;
    const { workloads } = this.#deps.engine;
    try {
      const lastOutput = await readLastOutput((query) => workloads.logs(identity, query));
      return decide({ ...observed, lastOutput }, now, config);
    } catch (error) {
      this.#deps.log.debug({ backend: identity.name, err: error }, "output could not be read");
      return decision;
    }
  }

  /** Nobody is ended for what cannot be known: then it is asked again. */
  async #askHost(backend: Backend): Promise<{ listens?: boolean }> {
    const { engine, clock, log } = this.#deps;
    const key = identityOf(backend);
    const { name } = backend.metadata;
    try {
      const host = engine.relayHost(backend);
      if (host === undefined) throw new SpawnerError("unavailable", "The backend has no relay host.");
      const listens = await askListens(host, { clock });
      this.#unheard.delete(key);
      return { listens };
    } catch (error) {
      // One line for a trouble, however often it is tried in vain.
      const level = this.#unheard.has(key) ? "debug" : "warn";
      log[level]({ backend: name, err: error }, "relay host cannot be asked, and a late start not be ended");
      this.#unheard.add(key);
      return {};
    }
  }

  async #apply(
    identity: WorkloadIdentity,
    backend: Backend | undefined,
    decision: Decision,
  ): Promise<number | undefined> {
    const { engine } = this.#deps;
    if (backend !== undefined && decision.status !== undefined && !(await this.#write(backend, decision))) return 0;
    if (decision.workload === "remove") await engine.workloads.remove(identity, this.#graceSeconds(backend));
    if (decision.record === "delete" && !(await this.#forget(preconditionOf(backend, identity)))) return 0;
    return decision.requeueAfterMs;
  }

  /** Whether the record was deleted; if not, somebody else wrote or deleted it in between. */
  async #forget(target: Precondition): Promise<boolean> {
    try {
      await this.#deps.engine.backends.delete(target);
      return true;
    } catch (error) {
      if (isSpawnerError(error, "conflict", "not_found")) return false;
      throw error;
    }
  }

  /**
   * Whether the status was written; if not, somebody else wrote in between, and all is to be looked at anew: what was decided on
   * an older version, by this controller or one before it, could take back what was reached since.
   */
  async #write(backend: Backend, { status = {} }: Decision): Promise<boolean> {
    const { engine, log } = this.#deps;
    const { name, uid, resourceVersion } = backend.metadata;
    const ends = status.reason !== undefined;
    if (ends) await this.#seal(backend);
    try {
      const written = await engine.backends.patchStatus({ name, uid, resourceVersion }, status);
      const { reason, message } = written.status;
      const state = stateOf(written);
      const isNews = ends || state !== stateOf(backend);
      log[isNews ? "info" : "debug"]({ backend: name, state, ...(ends ? { reason, message } : {}) }, "backend changed");
      return true;
    } catch (error) {
      if (isSpawnerError(error, "conflict", "not_found")) return false;
      throw error;
    }
  }

  /** Lets nobody in who would only meet the end. Best effort: the record says it is over in a moment. */
  async #seal(backend: Backend): Promise<void> {
    try {
      await this.#deps.engine.relayHost(backend)?.seal({ leaseMs: deadlines.sealLeaseMs, evenIfActive: true });
    } catch (error) {
      this.#deps.log.debug({ backend: backend.metadata.name, err: error }, "relay host could not be sealed");
    }
  }

  #graceSeconds(backend: Backend | undefined): number {
    const wanted = backend === undefined ? 0 : completeSpec(backend.spec).terminationGracePeriodSeconds;
    return Math.min(wanted, this.#drain?.graceSecondsMax ?? wanted);
  }

  async #isDrained(): Promise<boolean> {
    const { backends, workloads } = this.#deps.engine;
    const [{ items }, running] = await Promise.all([backends.list(), workloads.list()]);
    return running.length === 0 && items.every(hasEnded);
  }
}

/** A workload is one generation's, and so is a key: `<name>/<uid>`. */
function keyOf({ name, uid }: WorkloadIdentity): string {
  return `${name}/${uid}`;
}

function parseKey(key: string): WorkloadIdentity {
  const slash = key.indexOf("/");
  return { name: key.slice(0, slash), uid: key.slice(slash + 1) };
}

function preconditionOf(backend: Backend | undefined, identity: WorkloadIdentity) {
  return backend === undefined ? identity : { ...identity, resourceVersion: backend.metadata.resourceVersion };
}
