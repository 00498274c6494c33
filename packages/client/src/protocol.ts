/**
 * What goes over the wire of Spawner's HTTP API: the one definition that server and clients share.
 * Times are RFC 3339 strings in UTC; durations are whole seconds unless a name says otherwise.
 */

/** The states of a backend in the order of its life. `Stopping` and `Failed` can follow any state before them. */
export const backendStates = [
  "Submitted",
  "Constructed",
  "Scheduled",
  "Running",
  "Ready",
  "Stopping",
  "Swept",
  "Failed",
] as const;

/**
 * `Submitted` (accepted) … `Ready` (listening), `Stopping` where it was asked to end or its lifetime is over, then `Swept`
 * (ended as meant) or `Failed`.
 */
export type BackendState = (typeof backendStates)[number];

/** Why a backend was swept. */
export const sweptReasons = ["Idle", "LifetimeExceeded", "Requested", "Exited", "Superseded", "Drained"] as const;

/** Why a backend failed. */
export const failedReasons = [
  "StartupTimeout",
  "StartError",
  "ImagePull",
  "InvalidSpec",
  "Rejected",
  "Unschedulable",
  "Crashed",
  "OutOfMemory",
  "Evicted",
  "WorkloadLost",
  "NodeLost",
] as const;

export type SweptReason = (typeof sweptReasons)[number];
export type FailedReason = (typeof failedReasons)[number];
/** Why a backend is over. The list is closed. */
export type EndReason = SweptReason | FailedReason;

/** Body of `POST /spawn`. Unknown fields are refused; what is undefined is left out. */
export interface SpawnRequest {
  /**
   * Name of a template of the server: the fields beside it go over its own, `env` by each variable. Default, where no image is
   * given: the one that is called `default`, or the only one.
   */
  template?: string | undefined;
  /** Container image, over that of the template; on one machine the name of a template as well. */
  image?: string | undefined;
  /** Port that the program listens on in its container, 0 to 65535, default 8080; 0: the first that listens. It
   * gets it as `PORT`. Refused on one machine, where each program is given a free port of its own. */
  port?: number | undefined;
  /** Environment variables of the program, up to 128 KiB each and 1 MiB in all. `PORT` and `SPAWNER_…` are Spawner's own. */
  env?: Record<string, string> | undefined;
  /** Seconds without a client after which the backend is swept. Default 300. */
  gracePeriodSeconds?: number | undefined;
  /** Seconds that a ready backend waits for its first client, where that is longer than the grace period. Default 30. */
  firstClientSeconds?: number | undefined;
  /**
   * Seconds without data after which an open WebSocket, or another upgraded connection, is no client any more; pings are no data.
   * Default, and 0: it is one until it closes.
   */
  silentConnectionSeconds?: number | undefined;
  /** Seconds after which the backend is ended even when in use. Default: no limit. */
  lifetimeSeconds?: number | undefined;
  /** Seconds in which the program must listen. Default 300. */
  startupTimeoutSeconds?: number | undefined;
  /** Seconds between asking the program to end and killing it. Default 30. */
  terminationGracePeriodSeconds?: number | undefined;
}

/** Answer of `POST /spawn`. The URLs are absent where the API was not told its own base. */
export interface SpawnResponse {
  /** The backend's id, to be used in every route. */
  name: string;
  /** Where clients reach the backend; requests made before it is ready wait. */
  url?: string;
  /** `GET` answers 302 to `url` when ready, 409 before, 410 when over. */
  readyUrl?: string;
  /** The state as JSON; below it `/stream` as server-sent events. */
  statusUrl?: string;
}

/** What becomes of a live backend of a key whose spec is another than the one asked for. */
export const specChangePolicies = ["keep", "whenIdle", "now"] as const;
export type SpecChangePolicy = (typeof specChangePolicies)[number];

/** Body of `POST /connect`. Unknown fields are refused; what is undefined is left out. */
export interface ConnectRequest extends SpawnRequest {
  /** Names the session: a document, a user, a game. At most one backend of a key lives. Default: a new session of its own. */
  key?: string | undefined;
  /**
   * Where a backend of this key lives with another spec: `whenIdle` (default) hands it out, and ends it as soon as nobody is
   * connected; `keep` hands it out and leaves it; `now` ends it, and starts another.
   */
  onSpecChange?: SpecChangePolicy | undefined;
  /** Who is to be let in, in the application's own words: the program gets it as `x-spawner-user`. */
  user?: string | undefined;
  /** What the program is to know of the user: it gets it as `x-spawner-auth`, JSON in base64url. 2 KiB at most. */
  auth?: Record<string, unknown> | undefined;
  /** Seconds for which the token lets connections begin; those that are open go on. Default 3,600. */
  tokenTtlSeconds?: number | undefined;
  /** Whether to wait until the program listens, for 30 s at most. Default: no; requests wait at the URL as well. */
  waitReady?: boolean | undefined;
}

/** Answer of `POST /connect`. The URLs are absent where the API was not told its own base. */
export interface ConnectResponse {
  /** The backend's id, to be used in every route. */
  backend: string;
  /** Names this one backend among all that its key has ever had, which have the same id: its UID. */
  generation: string;
  key?: string;
  /** Where this user reaches the backend: the token is in it. Requests made before it is ready wait. */
  url?: string;
  /** Lets this user in, for this backend and no other: to be sent as `authorization: Bearer`. */
  token: string;
  /** When the token is over, RFC 3339. */
  tokenExpiresAt: string;
  /** The state as JSON; below it `/stream` as server-sent events. */
  statusUrl?: string;
  /** Whether this call started the backend. */
  spawned: boolean;
  /** Whether the backend has another spec than the one asked for. */
  stale: boolean;
  state: BackendState;
  /** How the backend before this one of the key ended, where that was a failure. */
  previousFailure?: StatusMessage;
}

/** The query parameter of a request to a backend that carries its user's token. */
export const tokenParameter = "_spawner_token";

/** Body of `POST /backend/:id/revoke`: exactly one of the two. */
export interface RevokeRequest {
  /** Every token of this user that was made until now. */
  user?: string | undefined;
  /** One token. */
  token?: string | undefined;
}

/** One state reached: the answer of `GET /backend/:id/status` and each event of its stream. */
export interface StatusMessage {
  state: BackendState;
  time: string;
  /** With `Swept` and `Failed` only. */
  reason?: EndReason;
  /** With `Swept` and `Failed` only: what happened, and what to do about it. */
  message?: string;
}

/** A backend as `GET /backends` and `GET /backend/:id` show it. */
export interface BackendView extends StatusMessage {
  name: string;
  /** Its UID: another backend of the same id has another one. */
  generation: string;
  /** What `connect` names it by; absent where it has no key. */
  key?: string;
  /** Whom it was started for; absent where nobody was named. */
  user?: string;
  url?: string;
  createdAt: string;
  /** Each state reached, oldest first. */
  transitions: StatusMessage[];
  gracePeriodSeconds: number;
  terminationGracePeriodSeconds: number;
  /**
   * With `Swept` and `Failed` only: what ran it has not gone yet. Its program may still write, and may go on for
   * `terminationGracePeriodSeconds`. Absent when nothing is left of it.
   */
  ending?: true;
}

/** Answer of `GET /backends`. */
export interface BackendList {
  backends: BackendView[];
  /** Present where there are more: give it as `continue` to get them. */
  continue?: string;
}

/** One change of all backends, or of those that were asked for: an event of `GET /backends?watch=true`. */
export type BackendChange =
  /** It is there, or it is another than it was; with `deleted`, its record is gone or it is not among them any more. */
  | { type: "added" | "changed" | "deleted"; backend: BackendView }
  /** Everything has been told that was there at the beginning, as far as the server that answers had heard of it. */
  | { type: "synced" };

/** Every error code the API can answer with. */
export const errorCodes = [
  "invalid_request",
  "unauthorized",
  "unsupported_media_type",
  "body_too_large",
  "not_found",
  "method_not_allowed",
  "not_ready",
  "backend_ended",
  "already_exists",
  "conflict",
  "too_many_backends",
  "too_many_waiting",
  "forbidden_host",
  "forbidden_origin",
  "forbidden_role",
  "misdirected",
  "head_too_large",
  "not_implemented",
  "version_not_supported",
  "too_many_connections",
  "unavailable",
  "upstream_failed",
  "upstream_timeout",
  "timeout",
  "internal",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Body of every answer of 400 and above. */
export interface ErrorBody {
  /** Names this one error: the server's log has its cause under the same id. */
  id: string;
  code: ErrorCode;
  /** What was wrong, the value given and the value needed. */
  message: string;
}
