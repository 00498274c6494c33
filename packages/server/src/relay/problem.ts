/** What can go wrong with a message, a connection or an upstream, with the status that says so. */
export const statusOfProblem = {
  /** The request is malformed or ambiguous. */
  invalid_request: 400,
  timeout: 408,
  body_too_large: 413,
  head_too_large: 431,
  not_implemented: 501,
  version_not_supported: 505,
  too_many_connections: 503,
  /** The upstream could not be reached, went away before it answered, or answered what cannot be passed on. */
  upstream_failed: 502,
  /** The upstream took longer than it may: to connect, or to answer. */
  upstream_timeout: 504,
} as const;

export type RelayProblemKind = keyof typeof statusOfProblem;

/** A message that cannot be passed on, and why. */
export class RelayProblem extends Error {
  override readonly name = "RelayProblem";
  readonly kind: RelayProblemKind;

  constructor(kind: RelayProblemKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}
