export type {
  BackendList,
  BackendState,
  BackendView,
  EndReason,
  ErrorBody,
  ErrorCode,
  FailedReason,
  SpawnRequest,
  SpawnResponse,
  StatusMessage,
  SweptReason,
} from "./protocol.ts";
export { backendStates, errorCodes, failedReasons, sweptReasons } from "./protocol.ts";
