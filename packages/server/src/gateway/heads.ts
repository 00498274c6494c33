import type { ConnectionToken } from "../core/connection-token.ts";
import { backendHeader } from "../core/relay-host.ts";
import {
  FieldLines,
  type FieldPair,
  type RequestHead,
  type ResponseHead,
  rewriteRequestHead,
  rewriteResponseHead,
} from "../relay/index.ts";
import type { Admission } from "./admission.ts";
import { isOurCookie, KnownCookies, withoutToken } from "./connection-credential.ts";
import type { ClientView } from "./forwarded.ts";
import { hopByHopOf } from "./hop-by-hop.ts";
import { isNotForClients } from "./own-fields.ts";
import { isPlainPath } from "./plain-path.ts";

export interface ForwardedRequest {
  /** The target without what was taken off its path. */
  readonly target: string;
  readonly view: ClientView;
  /** What the program is told of its client: who it is, and how it has come. */
  readonly told: readonly FieldLines[];
  /** How its client was let in. Default: nobody asked. */
  readonly admission?: Admission;
  /** Whom the request is meant for, where the relay host has not been told on this connection. */
  readonly identity?: string | undefined;
  /** Reads its cookies. Default: one that has read none yet. */
  readonly cookies?: KnownCookies;
  /** The host to name. Default: the one that was asked. */
  readonly host?: string;
}

/** Who the client is, in the application's words, and what it wants its program to know of them: JSON in base64url. */
const userHeader = "x-spawner-user";
const authHeader = "x-spawner-auth";

/** The head that a backend gets. */
export function forwardHead(head: RequestHead, request: ForwardedRequest): Buffer {
  const { target, view, told, identity, admission, cookies = new KnownCookies() } = request;
  // Of a target in absolute form, the host in it holds, and not the one in its Host field.
  const host = request.host ?? (head.target.startsWith("/") ? undefined : view.askedHost);
  const { remove, set } = hopByHopOf(head);
  const barred = head.lowerNamesFrom("xf").filter(isNotForClients);
  if (isBearer(admission)) barred.push("authorization");
  const added: (FieldPair | FieldLines)[] = [...set, ...told];
  if (host !== undefined && host !== (head.header("host") ?? "")) added.push(["host", host]);
  if (identity !== undefined) added.push([backendHeader, identity]);
  return rewriteRequestHead(head, {
    target: withoutToken(target),
    remove: barred.length === 0 ? remove : [...remove, ...barred],
    set: added,
    ...(mayTellToken(head, cookies) ? { map: withoutOurs(cookies) } : {}),
  });
}

/** Our own tokens are not for programs: they could go with them to others. */
function withoutOurs(cookies: KnownCookies) {
  return { cookie: (value: string) => cookies.without(value), referer: withoutToken };
}

/** Whether a token of ours is in a cookie, or may be in the URL that led here. */
function mayTellToken(head: RequestHead, cookies: KnownCookies): boolean {
  return cookies.without(head.cookie) !== head.cookie || head.header("referer")?.includes("?") === true;
}

function isBearer(admission: Admission | undefined): boolean {
  return admission !== undefined && admission.kind !== "refused" && admission.isAuthorizationOurs;
}

/** Who the client is, as its token says: what a program is told of it. */
export function identityLines({ user, auth }: ConnectionToken): FieldLines {
  return new FieldLines([
    ...(user === undefined ? [] : [[userHeader, user] as const]),
    ...(auth === undefined ? [] : [[authHeader, Buffer.from(JSON.stringify(auth)).toString("base64url")] as const]),
  ]);
}

/** Where the paths of a program are, as its clients see them. */
export interface PublicPlace {
  /** `/<id>`, behind what a proxy in front has taken off; "" where they are what its clients see. */
  readonly prefix: string;
  /** The hosts that stand for this server in the program's own URLs, with their ports. */
  readonly hosts: readonly string[];
}

/**
 * The head that a client gets: paths that the program gives are put behind the prefix, and no program sets our cookie.
 * `added`: more fields, in place of any with the same name. Undefined where nothing changes.
 */
export function backwardHead(
  head: ResponseHead,
  place: PublicPlace,
  added: readonly FieldPair[] = none,
): Buffer | undefined {
  const { remove, set } = hopByHopOf(head);
  const isOfPlaces = head.hasAny(ofPlaces);
  if (!isOfPlaces && remove.length + set.length + added.length === 0) return undefined;
  const changes = { remove, set: [...set, ...added] };
  return rewriteResponseHead(head, isOfPlaces ? { ...changes, map: underPlace(place) } : changes);
}

function underPlace(place: PublicPlace): Record<(typeof ofPlaces)[number], (value: string) => string | null> {
  const { prefix } = place;
  return {
    "set-cookie": (value) => (isOurCookie(value) ? null : mapCookiePath(value, prefix)),
    location: (value) => mapLocation(value, place),
    "service-worker-allowed": (value) => mapWorkerScope(value, prefix),
    // Of the whole origin, which is others' too.
    "clear-site-data": (value) => (prefix === "" ? value : null),
  };
}

/** What a program says of paths, or of all of its origin. */
const ofPlaces = ["location", "set-cookie", "service-worker-allowed", "clear-site-data"] as const;

const none: readonly FieldPair[] = [];

/**
 * The widest scope of a service worker, under the prefix. Null where it could reach beyond, to what other backends have there:
 * without the field that is the folder of its script.
 */
export function mapWorkerScope(scope: string, prefix: string): string | null {
  if (prefix === "") return scope;
  if (!isPlainPath(scope)) return null;
  const path = underPrefix(scope, prefix);
  // Scopes are compared by their first characters: without a slash it would be that of any id that begins so as well.
  return path === prefix ? `${path}/` : path;
}

/** An absolute path, or a URL of the host that was asked, under the prefix; anything else as it is. */
export function mapLocation(location: string, { prefix, hosts }: PublicPlace): string {
  if (prefix === "") return location;
  const [, origin = "", path] = /^(https?:\/\/[^/?#]+)?(\/(?!\/).*|\/)$/i.exec(location) ?? [];
  if (path === undefined) return location;
  const named = origin.replace(/^https?:\/\//i, "").toLowerCase();
  if (named !== "" && !hosts.some((host) => host.toLowerCase() === named)) return location;
  return `${origin}${underPrefix(path, prefix)}`;
}

/**
 * `Path=/…` of a Set-Cookie value under the prefix. Not of a `__Host-` cookie, in any case: browsers take that with no other
 * path than `/` (RFC 6265bis 4.1.3.2).
 */
export function mapCookiePath(cookie: string, prefix: string): string {
  if (prefix === "" || /^__host-/i.test(cookie)) return cookie;
  return cookie.replace(/(;\s*path\s*=\s*)(\/[^;]*)/gi, (_, name: string, path: string) => {
    return `${name}${underPrefix(path.trimEnd(), prefix)}`;
  });
}

/** A program that knows X-Forwarded-Prefix has put the path there already. */
function underPrefix(path: string, prefix: string): string {
  return path === prefix || path.startsWith(`${prefix}/`) ? path : `${prefix}${path}`;
}
