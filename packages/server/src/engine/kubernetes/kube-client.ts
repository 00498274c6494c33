/** One request to the API server. https://kubernetes.io/docs/reference/using-api/api-concepts/ */
export interface KubeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the server: `/api/v1/namespaces/spawner/pods`. */
  readonly path: string;
  /** What is undefined is left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  /** Default: `application/merge-patch+json` for PATCH, else `application/json`. */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  /** A page of many objects, which may take longer than other calls: what is too slow once would be so for ever. */
  readonly isList?: boolean;
  /** Of a stream: its first byte may take longer than the deadline, as that of a followed log does while nothing is written. */
  readonly mayBeSilent?: boolean;
}

/**
 * The API server, as far as we use it. `json` rejects with a KubeError where the server answered that it will not, and with a
 * SpawnerError `unavailable` where it did not answer in time or cannot be reached: then what was asked may have been done.
 */
export interface KubeClient {
  /** The namespace that everything of ours is in. */
  readonly namespace: string;
  /** Asks once. */
  json<Result>(request: KubeRequest): Promise<Result>;
  /** Opens a stream (a watch, a log), which ends with the iteration or the request's signal. */
  stream(request: KubeRequest): Promise<AsyncIterable<Uint8Array>>;
  /** Gives back the connections. Idempotent. */
  close(): void;
}

/** The API server's answer that it will not: a Status. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
export class KubeError extends Error {
  /** Of HTTP: 404, 409, 410, 422, 429, 500 and so on. */
  readonly status: number;
  /** In the API server's words: NotFound, AlreadyExists, Conflict, Expired, Invalid, Forbidden and so on. */
  readonly reason: string;
  /** With Expired of a list's page: from where the list can go on, as it is now. */
  readonly continue: string | undefined;

  constructor(answer: { status: number; reason: string; message: string; continue?: string | undefined }) {
    super(answer.message);
    this.name = "KubeError";
    this.status = answer.status;
    this.reason = answer.reason;
    this.continue = answer.continue;
  }
}

/** Whether the API server's answer has one of these reasons. */
export function isKubeError(error: unknown, ...reasons: string[]): error is KubeError {
  return error instanceof KubeError && (reasons.length === 0 || reasons.includes(error.reason));
}
