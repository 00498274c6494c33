export type { BackendChange, BackendStore, Engine, LogQuery, WorkloadIdentity } from "./engine.ts";
