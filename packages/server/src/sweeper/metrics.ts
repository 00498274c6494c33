import type { Histogram, Metrics, Tally } from "../lib/metrics.ts";

const latenessBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export interface SweeperMetrics {
  readonly lateness: Histogram;
  readonly errors: Tally;
  readonly streamsLost: Tally;
}

export interface SweeperCounts {
  readonly watched: () => number;
  readonly busy: () => number;
}

export function sweeperMetrics(metrics: Metrics, { watched, busy }: SweeperCounts): SweeperMetrics {
  metrics.gauge({ name: "spawner_sweeper_backends", help: "Backends whose relay hosts are watched." }, watched);
  metrics.gauge({ name: "spawner_sweeper_busy_backends", help: "Those whose programs say that they are busy." }, busy);
  return {
    lateness: metrics.histogram(
      {
        name: "spawner_sweep_lateness_seconds",
        help: "Time from the end of a backend's grace period to its end being recorded.",
      },
      latenessBuckets,
    ),
    errors: metrics
      .counter({
        name: "spawner_sweep_errors_total",
        help: "Attempts to record what a relay host said, or to seal it, that failed; each is tried again.",
      })
      .with({}),
    streamsLost: metrics
      .counter({
        name: "spawner_sweeper_streams_lost_total",
        help: "Streams of relay hosts that broke; while one is lost, its backend is not swept.",
      })
      .with({}),
  };
}
