import type { ClientErrorCode } from "./error-codes.ts";
import type { EndReason } from "./protocol.ts";

interface ErrorDetails {
  cause?: unknown;
  status?: number | undefined;
  id?: string | undefined;
  reason?: EndReason | undefined;
  retryAfterSeconds?: number | undefined;
}

/**
 * The one error that the client throws for what happens out there. What no caller can mean is a `TypeError` instead, before
 * anything is sent: an argument of another type, a time of NaN, a URL or a token that cannot be one. A value of the right
 * type that the API does not take, such as an id of "", is `invalid_request`, whether the API said so or the client saw it.
 *
 * @example
 * try {
 *   await client.waitUntilReady(id);
 * } catch (error) {
 *   if (error instanceof SpawnerClientError && error.code === "backend_ended") console.error(error.reason, error.message);
 *   else throw error;
 * }
 */
export class SpawnerClientError extends Error {
  override readonly name = "SpawnerClientError";
  /** What went wrong. */
  readonly code: ClientErrorCode;
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined;
  /** Names this one error in the server's log, where the API said it. */
  readonly id: string | undefined;
  /** With `backend_ended` of `waitUntilReady`: why the backend is over. */
  readonly reason: EndReason | undefined;
  /** Seconds after which the server wants to be asked again, where it said so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ClientErrorCode, message: string, { cause, ...details }: ErrorDetails = {}) {
    super(message, { cause });
    Object.assign(this, details);
    this.code = code;
  }
}
