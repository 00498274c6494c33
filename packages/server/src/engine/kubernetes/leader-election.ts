import { deadlines } from "../../core/deadlines.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { pause } from "../../lib/pause.ts";
import { within } from "../../lib/within.ts";
import { isKubeError, type KubeClient } from "./kube-client.ts";
import { heldBy, type Lease, type LeaseSighting, type LeaseSpec, nextStep, released, sight } from "./lease.ts";

export interface LeaderElectionOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** Name of the Lease that all candidates want. */
  readonly lease: string;
  /** Of this candidate; never used before, not even by a former life of it. */
  readonly identity: string;
}

/** The lease as this leader wrote it last, and when it began to. */
interface Held {
  readonly lease: Lease;
  readonly sinceMs: number;
}

/**
 * One candidate among several, of which at most one leads, by a Lease as other controllers of Kubernetes do. A leader that
 * could not renew for `leaseRenewMs` has lost the lead; others take it `leaseMs` after the last sign of life that they saw.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #path: string;
  #held: Held | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.client.namespace}/leases`;
  }

  /**
   * Whether this candidate leads at this moment, by the clock and not by what was noticed: a process that was stopped for a
   * while knows before it has done anything else.
   */
  get isLeading(): boolean {
    return this.#held !== undefined && this.#options.clock.monotonicMs() < this.#held.sinceMs + deadlines.leaseRenewMs;
  }

  /**
   * Stands until `signal` aborts. Calls `lead` each time the lead is had; its signal aborts when the lead is lost or given
   * up, and nothing else happens until it has come to its end. Then, where it is still held, the lease is given back.
   */
  async run(lead: (term: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { log, lease, identity } = this.#options;
    while (!signal.aborted) {
      await this.#acquire(signal);
      if (this.#held === undefined) return;
      log.info({ lease, identity }, "leading");
      const term = new AbortController();
      const giveUp = () => term.abort();
      signal.addEventListener("abort", giveUp);
      if (signal.aborted) giveUp();
      const over = new AbortController();
      try {
        const led = lead(term.signal).finally(() => over.abort());
        await Promise.all([led, this.#renewUntil(over.signal, giveUp)]);
      } finally {
        signal.removeEventListener("abort", giveUp);
        await this.#leave();
      }
    }
  }

  /** Resolves when the lease is held, or the signal aborts. */
  async #acquire(signal: AbortSignal): Promise<void> {
    const { clock, log, identity } = this.#options;
    let seen: LeaseSighting | undefined;
    let isTold = false;
    while (!signal.aborted && this.#held === undefined) {
      let waitMs: number = deadlines.leaseRetryMs;
      try {
        seen = sight(seen, await this.#read(), clock.monotonicMs());
        const step = nextStep(seen, identity, clock.monotonicMs());
        if (step.kind === "wait") waitMs = step.ms;
        else await this.#write(step.kind === "take" ? step.lease : undefined);
        isTold = false;
      } catch (error) {
        const isBeaten = isKubeError(error, "Conflict", "AlreadyExists");
        // One line for a trouble, however often it is tried in vain.
        if (!isBeaten) log[isTold ? "debug" : "warn"]({ err: error }, "the lease cannot be had, will be tried again");
        isTold = !isBeaten;
      }
      if (this.#held === undefined) await pause(clock, waitMs, signal);
    }
  }

  /** Renews the lease until `over` aborts. Calls `onLost` once, where it cannot be renewed in time or another has it. */
  async #renewUntil(over: AbortSignal, onLost: () => void): Promise<void> {
    const { clock, log } = this.#options;
    while (!over.aborted) {
      // Not later than the lead's end, so that whoever leads hears of it at once.
      const leftMs = this.#leftMs();
      if (leftMs <= 0) break;
      await pause(clock, Math.min(deadlines.leaseRetryMs, leftMs), over);
      if (over.aborted || this.#leftMs() <= 0) continue;
      try {
        await this.#renew();
      } catch (error) {
        log.warn({ err: error }, "the lease could not be renewed");
      }
    }
    if (!over.aborted) onLost();
  }

  #leftMs(): number {
    if (this.#held === undefined) return 0;
    return this.#held.sinceMs + deadlines.leaseRenewMs - this.#options.clock.monotonicMs();
  }

  async #renew(): Promise<void> {
    if (this.#held === undefined) return;
    try {
      await this.#write(this.#held.lease);
    } catch (error) {
      if (!isKubeError(error, "Conflict", "NotFound", "AlreadyExists")) throw error;
      // An earlier renewal may have been made though its answer was lost; or somebody edited or deleted the lease.
      const found = await this.#read();
      const holder = found?.spec?.holderIdentity ?? "";
      if (holder === this.#options.identity || holder === "") await this.#write(found);
      else this.#held = undefined;
    }
  }

  /** Takes or renews the lease in the version given; without one, makes it. */
  async #write(before: Lease | undefined): Promise<void> {
    const { clock, identity } = this.#options;
    const sinceMs = clock.monotonicMs();
    const lease = await this.#put(before, heldBy(identity, before?.spec, clock.now()));
    this.#held = { lease, sinceMs };
  }

  /** Gives the lease back where it is still held. Best effort: else it is free when its time is over. */
  async #leave(): Promise<void> {
    const { clock, log, identity } = this.#options;
    const held = this.isLeading ? this.#held : undefined;
    this.#held = undefined;
    log.info({ lease: this.#options.lease, identity }, held === undefined ? "lead lost" : "lead given up");
    try {
      if (held?.lease.spec !== undefined) await this.#put(held.lease, released(held.lease.spec, clock.now()));
    } catch (error) {
      log.debug({ err: error }, "the lease could not be given back");
    }
  }

  async #read(): Promise<Lease | undefined> {
    const { client, lease } = this.#options;
    try {
      return await this.#within(client.json<Lease>({ method: "GET", path: `${this.#path}/${lease}` }));
    } catch (error) {
      if (isKubeError(error, "NotFound")) return undefined;
      throw error;
    }
  }

  #put(before: Lease | undefined, spec: LeaseSpec): Promise<Lease> {
    const { client, lease: name } = this.#options;
    const body = (metadata: object) => ({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec });
    return this.#within(
      before === undefined
        ? client.json<Lease>({ method: "POST", path: this.#path, body: body({ name }) })
        : client.json<Lease>({ method: "PUT", path: `${this.#path}/${name}`, body: body(before.metadata) }),
    );
  }

  /** Renewals have to be known to have failed in time for another attempt. */
  #within<Result>(work: Promise<Result>): Promise<Result> {
    return within(work, { clock: this.#options.clock, mostMs: deadlines.leaseRetryMs, what: "asking for the lease" });
  }
}
