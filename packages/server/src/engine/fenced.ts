import { SpawnerError } from "../core/errors.ts";
import type { BackendStore, Engine, WorkloadRuntime } from "./engine.ts";

/** The engine for as long as `mayWrite` says so: afterwards it reads, and refuses whatever would change anything. */
export function fenced(engine: Engine, mayWrite: () => boolean): Engine {
  const guarded = async <Result>(write: () => Promise<Result>): Promise<Result> => {
    if (mayWrite()) return write();
    throw new SpawnerError("unavailable", "This controller does not lead any more, and writes nothing.");
  };
  const { backends, workloads } = engine;
  const fencedBackends: BackendStore = {
    create: (draft) => guarded(() => backends.create(draft)),
    get: (name, options) => backends.get(name, options),
    list: (query) => backends.list(query),
    watch: (onChange) => backends.watch(onChange),
    patchStatus: (target, patch) => guarded(() => backends.patchStatus(target, patch)),
    requestStop: (target, options) => guarded(() => backends.requestStop(target, options)),
    delete: (target) => guarded(() => backends.delete(target)),
  };
  const fencedWorkloads: WorkloadRuntime = {
    ensure: (backend) => guarded(() => workloads.ensure(backend)),
    observe: (identity) => workloads.observe(identity),
    remove: (identity, graceSeconds) => guarded(() => workloads.remove(identity, graceSeconds)),
    list: () => workloads.list(),
    watch: (onChange) => workloads.watch(onChange),
    logs: (identity, query) => workloads.logs(identity, query),
  };
  return {
    backends: fencedBackends,
    workloads: fencedWorkloads,
    relayHost: (backend) => engine.relayHost(backend),
    close: () => engine.close(),
  };
}
