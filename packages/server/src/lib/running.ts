/** A role that runs: where it listens, and how to end it. */
export interface Running {
  /** Stops, gives back everything that is held. Idempotent. */
  close(): Promise<void>;
}

/** A role that listens. */
export interface Listening extends Running {
  readonly host: string;
  /** The port that was bound, also where 0 was asked for. */
  readonly port: number;
}
