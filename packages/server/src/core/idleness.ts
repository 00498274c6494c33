/** What a relay host knows of its clients. Times are milliseconds on one monotonic clock. */
export interface ClientActivity {
  /** Upgraded connections, requests in flight and busy leases. */
  readonly live: number;
  readonly lastActiveMs: number;
  /** Whether there was a client yet. */
  readonly everActive: boolean;
  /** Until when the host promised to stay; 0: never. */
  readonly heldUntilMs: number;
}

export interface IdlenessRule {
  readonly gracePeriodSeconds: number;
  /** Until there was a client, idleness needs at least this. */
  readonly firstClientSeconds: number;
}

/**
 * How long nobody must come until the host is idle: 0 or less when it is, undefined while somebody is there. This is the
 * one place that says what idle is.
 */
export function millisecondsUntilIdle(activity: ClientActivity, rule: IdlenessRule, nowMs: number): number | undefined {
  if (activity.live > 0) return undefined;
  const neededSeconds = activity.everActive
    ? rule.gracePeriodSeconds
    : Math.max(rule.gracePeriodSeconds, rule.firstClientSeconds);
  return Math.max(activity.lastActiveMs + neededSeconds * 1000, activity.heldUntilMs) - nowMs;
}
