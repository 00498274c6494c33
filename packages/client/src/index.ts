export {
  type BackendFilter,
  type CallOptions,
  type ListFilter,
  type LogOptions,
  SpawnerClient,
  type SpawnerClientOptions,
} from "./client.ts";
export { type ClientErrorCode, clientErrorCodes } from "./error-codes.ts";
export { SpawnerClientError } from "./errors.ts";
export type {
  BackendChange,
  BackendList,
  BackendState,
  BackendView,
  ConnectRequest,
  ConnectResponse,
  EndReason,
  ErrorBody,
  ErrorCode,
  FailedReason,
  RevokeRequest,
  SpawnRequest,
  SpawnResponse,
  SpecChangePolicy,
  StatusMessage,
  SweptReason,
} from "./protocol.ts";
export {
  backendStates,
  errorCodes,
  failedReasons,
  specChangePolicies,
  sweptReasons,
  tokenParameter,
} from "./protocol.ts";
export type { RetryOptions, RetryPolicy } from "./retry.ts";
export type { StatusStream } from "./status-stream.ts";
