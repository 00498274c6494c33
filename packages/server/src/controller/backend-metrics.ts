import { type EndReason, failedReasons, sweptReasons } from "@spawner/client";
import type { Backend } from "../core/resource.ts";
import { isEndState, type LivingState, livingStates } from "../core/states.ts";
import { stateOf, statusHistory } from "../core/status.ts";
import { identityOf } from "../core/workload.ts";
import type { BackendChange } from "../engine/index.ts";
import type { Counter, Histogram, Metrics } from "../lib/metrics.ts";

const endReasons: readonly EndReason[] = [...sweptReasons, ...failedReasons];
const startBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/**
 * How many backends live, how long they took to be ready and why they ended: as the controller sees it, so that it does not
 * matter which role wrote it. A start or an end counts where the backend was seen before it, so that none counts again
 * after a restart.
 */
export class BackendMetrics {
  readonly #living = new Map<string, LivingState>();
  readonly #counts: Record<LivingState, number> = { Submitted: 0, Constructed: 0, Scheduled: 0, Running: 0, Ready: 0 };
  readonly #ended: Counter<{ readonly reason: readonly EndReason[] }>;
  readonly #startDuration: Histogram;

  constructor(metrics: Metrics) {
    metrics.gauge(
      {
        name: "spawner_backends",
        help: "Backends that live, by the latest state reached.",
        labels: { state: livingStates },
      },
      ({ state }) => this.#counts[state],
    );
    this.#ended = metrics.counter({
      name: "spawner_backends_ended_total",
      help: "Backends that have ended, by the reason.",
      labels: { reason: endReasons },
    });
    this.#startDuration = metrics.histogram(
      {
        name: "spawner_backend_start_duration_seconds",
        help: "Time from a backend's creation to its program being ready.",
      },
      startBuckets,
    );
  }

  note({ kind, backend }: Exclude<BackendChange, { kind: "synced" }>): void {
    const key = identityOf(backend);
    const before = this.#living.get(key);
    const state = stateOf(backend);
    const living = kind === "deleted" || isEndState(state) ? undefined : state;
    if (before !== undefined && before !== "Ready") this.#noteStart(backend);
    if (before !== undefined && living === undefined) this.#noteEnd(backend);
    this.#move(key, before, living);
  }

  #noteStart(backend: Backend): void {
    const ready = statusHistory(backend).find(({ state }) => state === "Ready");
    if (ready === undefined) return;
    const tookMs = Date.parse(ready.time) - Date.parse(backend.metadata.creationTimestamp);
    this.#startDuration.observe(Math.max(tookMs, 0) / 1000); // the clocks may be two machines'
  }

  #noteEnd({ status: { reason = "Requested" } }: Backend): void {
    this.#ended.with({ reason }).add(); // without a reason: the record of a living backend was deleted
  }

  #move(key: string, from: LivingState | undefined, to: LivingState | undefined): void {
    if (from !== undefined) this.#counts[from] -= 1;
    if (to === undefined) return void this.#living.delete(key);
    this.#counts[to] += 1;
    this.#living.set(key, to);
  }
}
