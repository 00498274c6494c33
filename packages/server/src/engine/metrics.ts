import { isSpawnerError } from "../core/errors.ts";
import type { Metrics } from "../lib/metrics.ts";
import type { BackendStore, Engine } from "./engine.ts";

const operations = ["create", "patchStatus", "requestStop", "delete"] as const;
type Operation = (typeof operations)[number];

/** The engine, with the writes to its records counted. */
export function measured(engine: Engine, metrics: Metrics): Engine {
  const writes = metrics.counter({
    name: "spawner_store_writes_total",
    help: "Writes of backends' records that were tried.",
    labels: { operation: operations },
  });
  const errors = metrics.counter({
    name: "spawner_store_write_errors_total",
    help: "Writes of backends' records that failed because of the store, not because of what was asked of it.",
    labels: { operation: operations },
  });
  const counted = async <Result>(operation: Operation, write: () => Promise<Result>): Promise<Result> => {
    writes.with({ operation }).add();
    try {
      return await write();
    } catch (error) {
      if (!isAnswer(error)) errors.with({ operation }).add();
      throw error;
    }
  };
  const { backends, workloads } = engine;
  const measuredBackends: BackendStore = {
    create: (draft) => counted("create", () => backends.create(draft)),
    get: (name, options) => backends.get(name, options),
    list: (query) => backends.list(query),
    watch: (onChange) => backends.watch(onChange),
    patchStatus: (target, patch) => counted("patchStatus", () => backends.patchStatus(target, patch)),
    requestStop: (target, options) => counted("requestStop", () => backends.requestStop(target, options)),
    delete: (target) => counted("delete", () => backends.delete(target)),
  };
  return {
    backends: measuredBackends,
    workloads,
    relayHost: (backend) => engine.relayHost(backend),
    close: () => engine.close(),
  };
}

/** The store works, and says that the caller's request does not fit what it holds. */
function isAnswer(error: unknown): boolean {
  return isSpawnerError(error) && error.code !== "unavailable" && error.code !== "internal";
}
