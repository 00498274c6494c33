import { type EndReason, errorCodes } from "./protocol.ts";

/**
 * Every code a `SpawnerClientError` can have: those that the API answers with (`ErrorCode`), and the client's own:
 *
 * | code          | means                                                                                     |
 * | ------------- | ----------------------------------------------------------------------------------------- |
 * | `unreachable` | no answer: nobody listens there, a name does not resolve, the connection was cut          |
 * | `bad_answer`  | an answer that is not Spawner's: a proxy's error page, a redirect, a type that is unknown |
 * | `aborted`     | the caller's `AbortSignal` ended it; `cause` is the signal's reason                       |
 *
 * Some of the API's codes are the client's as well: `timeout` (it took longer than it may), `backend_ended` (`waitUntilReady`:
 * it ended before it was ready, `reason` says why), `invalid_request` (an id that can be none) and `not_found`
 * (`statusStream`: another backend has got the id).
 */
export const clientErrorCodes = [...errorCodes, "unreachable", "bad_answer", "aborted"] as const;

/** One of `clientErrorCodes`: a closed list. */
export type ClientErrorCode = (typeof clientErrorCodes)[number];

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

  constructor(code: ClientErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.id = details.id;
    this.reason = details.reason;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}
