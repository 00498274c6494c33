import type { Life } from "./measure.ts";

/** Whether one backend was swept when it should have been. */
export interface Judgement {
  /** Which backend it is, for people. */
  readonly described: string;
  readonly isEarly: boolean;
  /** From the end of the grace period to Swept: not less and not more, by what the clients' book leaves open. */
  readonly lateMs: { readonly atLeast: number; readonly atMost: number };
  readonly terminatedAfterMs: number;
  readonly faults: string[];
}

/**
 * All times are of one machine's calendar clock, in whole milliseconds, while the grace period is counted by the monotonic
 * clock: the calendar may be slewed by 500 ppm (adjtime), which is 2.5 ms in 5 s.
 */
const clockSkewMs = 3;

export function judge(life: Life): Judgement {
  const { id, gracePeriodSeconds, lastActive, sweptMs, terminatedMs, reason, faults } = life;
  const surelyDueMs = lastActive.surelyMs + gracePeriodSeconds * 1000;
  const endedMs = Math.min(sweptMs, terminatedMs);
  const isEarly = !(endedMs >= surelyDueMs - clockSkewMs); // also where a time is not known
  const described = `${id} (${gracePeriodSeconds} s, last: ${lastActive.kind})`;
  const describe = (what: string) => `${described}: ${what}`;
  return {
    described,
    isEarly,
    lateMs: {
      atLeast: sweptMs - (lastActive.atMostMs + gracePeriodSeconds * 1000),
      atMost: sweptMs - surelyDueMs,
    },
    terminatedAfterMs: terminatedMs - sweptMs,
    faults: [
      ...faults.map(describe),
      ...(isEarly ? [describe(`swept ${surelyDueMs - endedMs} ms early`)] : []),
      ...(reason === "Idle" ? [] : [describe(`ended as ${reason}`)]),
    ],
  };
}
