export { askListens } from "./ask-listens.ts";
export type { BackendChange, BackendStore, Engine, LogQuery, Precondition, WorkloadIdentity } from "./engine.ts";
export { fenced } from "./fenced.ts";
export { readLastOutput } from "./last-output.ts";
export { measured } from "./metrics.ts";
export { troubleOf } from "./trouble.ts";
