import { type ErrorCode, errorCodes } from "@spawner/client";

/** The status of each error code, on every surface that speaks HTTP. */
export const httpStatusOf: Readonly<Record<ErrorCode, number>> = {
  invalid_request: 400,
  unauthorized: 401,
  unsupported_media_type: 415,
  body_too_large: 413,
  not_found: 404,
  method_not_allowed: 405,
  not_ready: 409,
  backend_ended: 410,
  already_exists: 409,
  conflict: 409,
  too_many_backends: 429,
  too_many_waiting: 503,
  forbidden_host: 403,
  forbidden_origin: 403,
  forbidden_role: 403,
  misdirected: 421,
  head_too_large: 431,
  not_implemented: 501,
  version_not_supported: 505,
  too_many_connections: 503,
  unavailable: 503,
  upstream_failed: 502,
  upstream_timeout: 504,
  timeout: 408,
  internal: 500,
};

/** After how long whoever was refused for the moment is to try again, by status, where nothing more is known. */
export const retryAfterSecondsOf: Readonly<Record<number, number>> = {
  429: 5, // when a backend has ended
  503: 1,
};

/** What callers are told: a closed code, and a message that names the action, the value given and the value needed. */
export class SpawnerError extends Error {
  override readonly name = "SpawnerError";
  readonly code: ErrorCode;
  /** When to try again, where it is known. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryAfterSeconds?: number } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** Whether `error` is a SpawnerError, with one of `codes` where some are named. */
export function isSpawnerError(error: unknown, ...codes: readonly ErrorCode[]): error is SpawnerError {
  return error instanceof SpawnerError && (codes.length === 0 ? errorCodes : codes).includes(error.code);
}
