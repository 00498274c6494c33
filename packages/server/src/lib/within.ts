import type { Clock } from "./clock.ts";

/** What was waited for did not come in its time; whether it still will, nobody knows. */
export class TookTooLong extends Error {
  override readonly name = "TookTooLong";
}

/**
 * What `work` comes to, or a rejection by TookTooLong once it has taken `mostMs`. The work itself may go on: nobody can know then whether
 * it was, or will be, done.
 */
export async function within<Result>(
  work: Promise<Result>,
  { clock, mostMs, what }: { clock: Clock; mostMs: number; what: string },
): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = clock.after(mostMs, () => reject(new TookTooLong(`${what} took more than ${mostMs / 1000} s`)));
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.cancel();
  }
}
