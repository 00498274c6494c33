export { type ClientErrorCode, SpawnerClientError } from "../errors.ts";
export type { EndReason, StatusMessage } from "../protocol.ts";
export type { RetryOptions } from "../retry.ts";
export type { Connection } from "./connection.ts";
export { openSession, type Session, type SessionEnd, type SessionOptions } from "./session.ts";
export { isAccident, type SessionSocket, type SocketClose, type SocketOptions } from "./session-socket.ts";
