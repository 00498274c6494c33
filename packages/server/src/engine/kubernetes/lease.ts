import { deadlines } from "../../core/deadlines.ts";
import type { ObjectMeta } from "./objects.ts";

/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/ */
export interface Lease {
  readonly metadata: Pick<ObjectMeta, "name" | "resourceVersion">;
  readonly spec?: LeaseSpec;
}

export interface LeaseSpec {
  readonly holderIdentity?: string | null;
  readonly leaseDurationSeconds?: number | null;
  /** RFC 3339 with microseconds. For people: nobody compares them with a clock of their own. */
  readonly acquireTime?: string | null;
  readonly renewTime?: string | null;
  readonly leaseTransitions?: number | null;
}

/** A lease as it was read, and since when, by the reader's own monotonic clock, its holder has given no sign of life. */
export interface LeaseSighting {
  /** Undefined: there is none. */
  readonly lease: Lease | undefined;
  readonly unchangedSinceMs: number;
}

export type LeaseStep =
  | { readonly kind: "create" }
  /** It is free, or was this candidate's own: to be written against the version that was read. */
  | { readonly kind: "take"; readonly lease: Lease }
  | { readonly kind: "wait"; readonly ms: number };

/** A promise for longer than this is not believed: somebody wrote it by hand. */
const durationMostMs = 60_000;

/**
 * What a candidate knows after it has read the lease again. That the record changed is all that tells that its holder
 * lives: the times in it are of another machine's clock.
 */
export function sight(before: LeaseSighting | undefined, lease: Lease | undefined, nowMs: number): LeaseSighting {
  const isUnchanged = before !== undefined && JSON.stringify(before.lease?.spec) === JSON.stringify(lease?.spec);
  return { lease, unchangedSinceMs: isUnchanged ? before.unchangedSinceMs : nowMs };
}

/** What a candidate does next. */
export function nextStep({ lease, unchangedSinceMs }: LeaseSighting, identity: string, nowMs: number): LeaseStep {
  if (lease === undefined) return { kind: "create" };
  const holder = lease.spec?.holderIdentity ?? "";
  if (holder === "" || holder === identity) return { kind: "take", lease };
  const promisedMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1000 || deadlines.leaseMs;
  const leftMs = unchangedSinceMs + Math.min(promisedMs, durationMostMs) - nowMs;
  return leftMs <= 0 ? { kind: "take", lease } : { kind: "wait", ms: Math.min(leftMs, deadlines.leaseRetryMs) };
}

/** The record with which `identity` takes or renews the lease. */
export function heldBy(identity: string, before: LeaseSpec | undefined, now: Date): LeaseSpec {
  const time = microTime(now);
  const isRenewal = before?.holderIdentity === identity;
  return {
    holderIdentity: identity,
    leaseDurationSeconds: deadlines.leaseMs / 1000,
    acquireTime: isRenewal ? (before.acquireTime ?? time) : time,
    renewTime: time,
    leaseTransitions: (before?.leaseTransitions ?? 0) + (isRenewal || before === undefined ? 0 : 1),
  };
}

/** The record of a holder that leaves: whoever reads it next may take it at once. */
export function released(before: LeaseSpec, now: Date): LeaseSpec {
  return { ...before, holderIdentity: "", leaseDurationSeconds: 1, renewTime: microTime(now) };
}

/** The API's MicroTime wants exactly six digits of a second. */
function microTime(now: Date): string {
  return now.toISOString().replace("Z", "000Z");
}
