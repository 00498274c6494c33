export type { BackendChange, BackendStore, Engine, LogQuery, WorkloadIdentity } from "./engine.ts";
export { fenced } from "./fenced.ts";
export { measured } from "./metrics.ts";
