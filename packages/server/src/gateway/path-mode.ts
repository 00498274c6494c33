import { backendHeader } from "../core/relay-host.ts";
import { type RequestHead, type ResponseHead, rewriteRequestHead, rewriteResponseHead } from "../relay/index.ts";
import { hostOf } from "./route.ts";

/** Fields that only Spawner may set on the way to a program. */
const ourFields = [backendHeader, "x-spawner-user", "x-spawner-auth"];

export interface ForwardedRequest {
  /** `/<id>`: what was taken off the path. */
  readonly prefix: string;
  /** The target without it. */
  readonly target: string;
  readonly clientAddress: string;
  readonly forwardedProto: "http" | "https";
  /** Whom the request is meant for, where the relay host has not been told on this connection. */
  readonly identity?: string;
}

/** The head that a backend gets in path mode. */
export function forwardHead(head: RequestHead, request: ForwardedRequest): Buffer {
  const { prefix, target, clientAddress, forwardedProto, identity } = request;
  const host = hostOf(head);
  return rewriteRequestHead(head, {
    target,
    remove: ourFields,
    set: [
      ["x-forwarded-for", clientAddress],
      ["x-forwarded-proto", forwardedProto],
      ["x-forwarded-host", host],
      ["x-forwarded-prefix", prefix],
      ...(host === (head.header("host") ?? "") ? [] : [["host", host] as const]),
      ...(identity === undefined ? [] : [[backendHeader, identity] as const]),
    ],
  });
}

/** The head that a client gets in path mode: paths that the program gives are put behind the prefix. */
export function backwardHead(head: ResponseHead, { prefix, host }: { prefix: string; host: string }): Buffer {
  return rewriteResponseHead(head, {
    map(lowerName, value) {
      if (lowerName === "location") return mapLocation(value, { prefix, host });
      if (lowerName === "set-cookie") return mapCookiePath(value, prefix);
      return undefined;
    },
  });
}

/** An absolute path, or a URL of the host that was asked, under the prefix; anything else as it is. */
export function mapLocation(location: string, { prefix, host }: { prefix: string; host: string }): string {
  const [, origin = "", path] = /^(https?:\/\/[^/?#]+)?(\/(?!\/).*|\/)$/i.exec(location) ?? [];
  if (path === undefined) return location;
  if (origin !== "" && origin.replace(/^https?:\/\//i, "").toLowerCase() !== host.toLowerCase()) return location;
  return `${origin}${underPrefix(path, prefix)}`;
}

/**
 * `Path=/…` of a Set-Cookie value under the prefix. Not of a `__Host-` cookie, in any case: browsers take that with no other
 * path than `/` (RFC 6265bis 4.1.3.2).
 */
export function mapCookiePath(cookie: string, prefix: string): string {
  if (/^__host-/i.test(cookie)) return cookie;
  return cookie.replace(/(;\s*path\s*=\s*)(\/[^;]*)/gi, (_, name: string, path: string) => {
    return `${name}${underPrefix(path.trimEnd(), prefix)}`;
  });
}

/** A program that knows X-Forwarded-Prefix has put the path there already. */
function underPrefix(path: string, prefix: string): string {
  return path === prefix || path.startsWith(`${prefix}/`) ? path : `${prefix}${path}`;
}
