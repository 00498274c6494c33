import { addressOf } from "../core/address.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded } from "../core/status.ts";
import { identityOf } from "../core/workload.ts";
import type { BackendChange, Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import type { Running } from "../lib/running.ts";
import { BackendSweep } from "./backend-sweep.ts";
import { sweeperMetrics } from "./metrics.ts";

export interface SweeperConfig {
  /** Only the backends of this node. Default: all. */
  nodeName?: string;
}

export interface SweeperDeps {
  engine: Engine;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

/** Watches the relay host of each living backend: says when it is ready, and ends it when it is idle. */
export function run(config: SweeperConfig, deps: SweeperDeps): Running {
  const sweeps = new Map<string, BackendSweep>();
  const metrics = sweeperMetrics(deps.metrics, {
    watched: () => sweeps.size,
    busy: () => [...sweeps.values()].filter(({ isBusy }) => isBusy).length,
  });
  const sweepDeps = { ...deps, metrics };

  const stop = async (key: string) => {
    const sweep = sweeps.get(key);
    sweeps.delete(key);
    await sweep?.close();
  };
  const isOurs = (backend: Backend) =>
    !hasEnded(backend) &&
    addressOf(backend) !== undefined &&
    (config.nodeName === undefined || backend.status.nodeName === config.nodeName);

  const unwatch = deps.engine.backends.watch((change: BackendChange) => {
    if (change.kind === "synced") return;
    const key = identityOf(change.backend);
    if (change.kind === "deleted" || !isOurs(change.backend)) return void stop(key);
    const sweep = sweeps.get(key) ?? new BackendSweep(change.backend, sweepDeps);
    sweeps.set(key, sweep);
    sweep.update(change.backend);
  });

  return {
    async close() {
      unwatch();
      await Promise.all([...sweeps.keys()].map(stop));
    },
  };
}
