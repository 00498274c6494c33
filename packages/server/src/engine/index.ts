export type {
  BackendChange,
  BackendPage,
  BackendStore,
  Engine,
  ListQuery,
  LogQuery,
  Precondition,
  WorkloadIdentity,
  WorkloadRuntime,
} from "./engine.ts";
