import type { Backend, BackendStatus } from "./resource.ts";
import { nextRevocation, revocationOf } from "./revocations.ts";
import { longestTokenSeconds } from "./token-seconds.ts";

type Revocations = NonNullable<BackendStatus["revocations"]>;
type Times = Readonly<Record<string, string | null>>;

/** A merge patch of what a record has of revocations (RFC 7396): what is null is taken away. */
export interface RevocationsPatch {
  readonly users?: Times;
  readonly tokens?: Times;
  readonly everyone?: string | null;
}

/** What access is taken from: every token of a user, or one token. */
export type Revoked = { readonly user: string } | { readonly tokenId: string };

/** As many are kept one by one; a record has no room for any number of them. */
const revocationsMax = 256;

/** So long after a token is over it is forgotten that it was taken back: no two clocks differ by as much. */
const sparedMs = 3_600_000;

/**
 * What to write into this version of a backend to take access back. What concerns no token any more goes with it; and where
 * there would be more than may be kept, one that concerns everyone takes the place of all: whoever is not meant by them is to
 * be connected anew, by which nobody stays in who is.
 */
export function revocationPatch(backend: Pick<Backend, "status">, revoked: Revoked, now: Date): RevocationsPatch {
  const { users = {}, tokens = {}, everyone } = backend.status.revocations ?? {};
  const oldest = new Date(now.getTime() - longestTokenSeconds * 1000 - sparedMs).toISOString();
  const isOver = (time: string) => time < oldest;
  const isNeeded = (time: string) => !isOver(time);
  const [known, id] = "user" in revoked ? [users, revoked.user] : [tokens, revoked.tokenId];
  const kept = [users, tokens].flatMap((times) => Object.entries(times)).filter(([, time]) => isNeeded(time));
  const isKept = Object.hasOwn(known, id) && isNeeded(known[id] ?? "");
  if (!isKept && kept.length >= revocationsMax) {
    const latest = [everyone ?? "", ...kept.map(([, time]) => time)].toSorted().at(-1);
    return { users: removed(users), tokens: removed(tokens), everyone: nextRevocation(now, latest) };
  }
  const forgotten = {
    users: removed(users, isOver),
    tokens: removed(tokens, isOver),
    ...(everyone !== undefined && isOver(everyone) ? { everyone: null } : {}),
  };
  return "user" in revoked
    ? { ...forgotten, users: { ...forgotten.users, [id]: nextRevocation(now, revocationOf(backend, id)) } }
    : { ...forgotten, tokens: { ...forgotten.tokens, [id]: now.toISOString() } };
}

/** For stores that apply patches themselves. */
export function mergeRevocations(before: Revocations | undefined, patch: RevocationsPatch): Revocations {
  const everyone = patch.everyone === undefined ? before?.everyone : patch.everyone;
  return {
    users: merged({ ...before?.users, ...patch.users }),
    tokens: merged({ ...before?.tokens, ...patch.tokens }),
    ...(typeof everyone === "string" ? { everyone } : {}),
  };
}

function removed(times: Readonly<Record<string, string>>, isMeant = (_: string): boolean => true): Times {
  const meant = Object.entries(times).filter(([, time]) => isMeant(time));
  return Object.fromEntries(meant.map(([name]) => [name, null]));
}

function merged(times: Times): Record<string, string> {
  return Object.fromEntries(Object.entries(times).filter((entry): entry is [string, string] => entry[1] !== null));
}
