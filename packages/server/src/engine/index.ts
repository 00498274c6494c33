export type { BackendChange, BackendStore, Engine, WorkloadIdentity } from "./engine.ts";
