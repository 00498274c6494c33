import { checkMs } from "./check-ms.ts";
import { SpawnerClientError } from "./errors.ts";
import { pause } from "./limit.ts";

/** When a stream takes its server for away, and how often and how long it tries to get back to it. */
export interface RetryPolicy {
  /** The wait after a first failure; it doubles with each further one. Default 250. */
  firstMs: number;
  /** The longest wait. Default 10,000. */
  mostMs: number;
  /** Time from the first failure since any progress, after which the last one is thrown. Default 300,000: five minutes. */
  giveUpMs: number;
  /** Time without a byte after which a connection counts as dead. Default 45,000; the server says something each 15 s. */
  silenceMs: number;
}

/** The waits between attempts, of one stream. */
export interface Patience {
  /** To be called when the server has taken the request. */
  connected(): void;
  /** To be called when something new has come: what failed before is forgotten. */
  progress(): void;
  /** To be called with what a server asks for as the wait after a first failure. */
  askedFor(retryMs: number | undefined): void;
  /** Waits until it is time for the next attempt. Rejects with `error` where another attempt would not help. */
  pauseAfter(error: unknown, signal: AbortSignal | undefined): Promise<void>;
}

/** What is given of a policy; the rest, and what is undefined, has its default. */
export type RetryOptions = { [Name in keyof RetryPolicy]?: RetryPolicy[Name] | undefined };

/** The whole policy. Throws a `TypeError` at a time that is none; only the time to give up may be 0: at the first failure. */
export function completeRetryPolicy(options: RetryOptions): RetryPolicy {
  const { firstMs = 250, mostMs = 10_000, giveUpMs = 300_000, silenceMs = 45_000 } = options;
  const policy = { firstMs, mostMs, giveUpMs, silenceMs };
  for (const [name, ms] of Object.entries(policy)) checkMs(`retry.${name}`, ms, name === "giveUpMs" ? 0 : 1);
  return policy;
}

/** A connection that has lived so long was a good one; a server that cuts each at once is to be left in peace. */
const goodConnectionMs = 1_000;

export function makePatience({ firstMs, mostMs, giveUpMs }: RetryPolicy): Patience {
  let failures = 0;
  let failingSinceMs: number | undefined;
  let connectedAtMs: number | undefined;
  let askedMs: number | undefined;
  const progress = () => {
    failures = 0;
    failingSinceMs = undefined;
  };
  return {
    progress,
    connected() {
      connectedAtMs = performance.now();
    },
    askedFor(retryMs) {
      askedMs = retryMs;
    },
    async pauseAfter(error, signal) {
      if (!isTransient(error)) throw error;
      if (connectedAtMs !== undefined && performance.now() - connectedAtMs >= goodConnectionMs) progress();
      connectedAtMs = undefined;
      // Without any network, nobody out there has failed.
      if (isOffline()) failingSinceMs = undefined;
      failingSinceMs ??= performance.now();
      const leftMs = giveUpMs - (performance.now() - failingSinceMs);
      if (leftMs <= 0) throw givenUp(error, giveUpMs);
      const backoffMs = Math.min((askedMs ?? firstMs) * 2 ** failures++, mostMs);
      // Spread, so that all who waited for the same server do not come at once.
      const spreadMs = backoffMs * (0.5 + Math.random() / 2);
      const waitMs = Math.min(Math.max(spreadMs, (error.retryAfterSeconds ?? 0) * 1000), leftMs);
      if (await pause(waitMs, signal)) failures = 0;
    },
  };
}

/** Whether the same request may go well later. */
export function isTransient(error: unknown): error is SpawnerClientError {
  if (!(error instanceof SpawnerClientError)) return false;
  const { code, status } = error;
  if (status === undefined) return code === "unreachable" || code === "timeout";
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

/** Browsers know it; Node does not say. */
function isOffline(): boolean {
  return (globalThis as { navigator?: { onLine?: boolean } }).navigator?.onLine === false;
}

function givenUp(error: SpawnerClientError, giveUpMs: number): SpawnerClientError {
  const text = `${error.message} (given up after ${giveUpMs / 1000} s)`;
  return new SpawnerClientError(error.code, text, { ...error, cause: error });
}
