export type { ClientErrorCode } from "../error-codes.ts";
export { SpawnerClientError } from "../errors.ts";
export type { EndReason, StatusMessage } from "../protocol.ts";
export type { RetryOptions } from "../retry.ts";
export type { Connection } from "./connection.ts";
export { openSession } from "./session.ts";
export type { Session, SessionEnd, SessionOptions } from "./session-options.ts";
export { isAccident, type SessionSocket, type SocketClose, type SocketOptions } from "./session-socket.ts";
