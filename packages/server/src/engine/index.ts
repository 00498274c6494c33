export type { BackendChange, BackendStore, Engine, LogQuery, WorkloadIdentity } from "./engine.ts";
export { measured } from "./metrics.ts";
