import type { ConnectionToken } from "./connection-token.ts";
import type { Backend } from "./resource.ts";

/** Whether a token of this backend was taken back. */
export function isRevoked({ status }: Pick<Backend, "status">, token: ConnectionToken): boolean {
  const { users, tokens } = status.revocations ?? {};
  if (tokens?.[token.id] !== undefined) return true;
  const time = token.user === undefined ? undefined : users?.[token.user];
  // A user who was let in again has a token that is younger.
  return time !== undefined && token.issuedAtMs <= Date.parse(time);
}
