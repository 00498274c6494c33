import type {
  BackendList,
  BackendView,
  ConnectResponse,
  ErrorBody,
  ErrorCode,
  SpawnResponse,
  StatusMessage,
} from "./protocol.ts";

/** What tells an answer of the API from any other JSON: the fields that callers cannot do without. */

/** Whatever the state: a later release may have others, which a stream leaves out. */
export function isStatusMessage(value: unknown): value is StatusMessage {
  return hasStrings(value, "state", "time");
}

export function isSpawnResponse(value: unknown): value is SpawnResponse {
  return hasStrings(value, "name");
}

export function isConnectResponse(value: unknown): value is ConnectResponse {
  return hasStrings(value, "backend", "token", "tokenExpiresAt");
}

/** For an answer that says nothing but that it is done. */
export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

export function isBackendView(value: unknown): value is BackendView {
  return hasStrings(value, "name", "createdAt") && isStatusMessage(value);
}

export function isBackendList(value: unknown): value is BackendList {
  const { backends } = (value ?? {}) as { backends?: unknown };
  return Array.isArray(backends) && backends.every(isBackendView);
}

/** `codes`: those that are known where it is asked. */
export function isErrorBody(value: unknown, codes: readonly ErrorCode[]): value is ErrorBody {
  return hasStrings(value, "id", "code", "message") && (codes as readonly string[]).includes(value.code);
}

function hasStrings<Name extends string>(value: unknown, ...names: Name[]): value is Record<Name, string> {
  return names.every((name) => typeof (value as Record<string, unknown> | null | undefined)?.[name] === "string");
}
