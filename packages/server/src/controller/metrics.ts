import type { Histogram, Metrics, Tally } from "../lib/metrics.ts";
import { BackendMetrics } from "./backend-metrics.ts";

const reconcileBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface ControllerMetrics {
  readonly backends: BackendMetrics;
  readonly reconcileDuration: Histogram;
  readonly reconcileErrors: Tally;
}

export function controllerMetrics(metrics: Metrics, { queueDepth }: { queueDepth: () => number }): ControllerMetrics {
  metrics.gauge(
    { name: "spawner_controller_queue_depth", help: "Backends that are due to be reconciled, and wait for it." },
    queueDepth,
  );
  return {
    backends: new BackendMetrics(metrics),
    reconcileDuration: metrics.histogram(
      { name: "spawner_controller_reconcile_duration_seconds", help: "Time that one reconcile of a backend took." },
      reconcileBuckets,
    ),
    reconcileErrors: metrics
      .counter({
        name: "spawner_controller_reconcile_errors_total",
        help: "Reconciles that failed; each is tried again.",
      })
      .with({}),
  };
}
