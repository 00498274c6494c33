import type { ConnectionToken } from "./connection-token.ts";
import type { Backend } from "./resource.ts";

/** The latest revocation that concerns a user, as it is stored; where no user is named, that concerns everyone. */
export function revocationOf({ status }: Pick<Backend, "status">, user: string | undefined): string | undefined {
  const { users = {}, everyone } = status.revocations ?? {};
  const own = user !== undefined && Object.hasOwn(users, user) ? users[user] : undefined;
  return own === undefined || (everyone ?? "") > own ? everyone : own;
}

/** Whether a token of this backend was taken back. No clocks are compared: those of two machines may differ by half a minute. */
export function isRevoked(backend: Pick<Backend, "status">, token: ConnectionToken): boolean {
  if (backend.status.revocations?.tokens?.[token.id] !== undefined) return true;
  // Whoever was let in again has a token that was signed in the knowledge of it, or of one of which is not heard here yet.
  return isTakenBackSince(token.revocation, backend, token.user);
}

/** What the next revocation is stored as: the moment, but later than the latest one, whoever's clock that was by. */
export function nextRevocation(now: Date, latest: string | undefined): string {
  const laterMs = latest === undefined ? 0 : Date.parse(latest) + 1;
  return new Date(Math.max(now.getTime(), laterMs)).toISOString();
}

/** Whether a user's access was taken back since `before` was the latest revocation that concerned the user. */
export function isTakenBackSince(
  before: string | undefined,
  latest: Pick<Backend, "status">,
  user: string | undefined,
): boolean {
  return (revocationOf(latest, user) ?? "") > (before ?? "");
}
