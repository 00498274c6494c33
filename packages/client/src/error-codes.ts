import { errorCodes } from "./protocol.ts";

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
