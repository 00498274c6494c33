import { askedHost } from "../core/host-names.ts";
import { reservedIds } from "../core/names.ts";
import type { RequestHead } from "../relay/index.ts";

/** The host that a request is for, with its port; "" where it names none. */
export function hostOf(head: RequestHead): string {
  return askedHost(head.target, head.header("host") ?? "");
}

/** Where a request target leads. */
export type Route =
  | { readonly kind: "root" }
  /** `/<id>` without the slash: relative links would lead astray. */
  | { readonly kind: "unslashed"; readonly id: string; readonly query: string }
  /** `target` is what the backend gets: the rest of the path and the query, byte for byte. */
  | { readonly kind: "segment"; readonly id: string; readonly target: string }
  /** Beside the prefix, below which backends are. */
  | { readonly kind: "elsewhere"; readonly id: string }
  | { readonly kind: "malformed" };

/** RFC 9112 3.2.2: a server has to take a target in absolute form too. One with a user's name is malformed (RFC 9110 4.2.4). */
const absoluteForm = /^https?:\/\/[^/?#@]+/i;

/**
 * Splits a request target. Nothing is decoded or normalized: an id is what it is, byte for byte. The host is `hostOf`. Below
 * `pathPrefix` (`/p`) there are backends alone; what is the gateway's own is beside it.
 */
export function parseTarget(target: string, pathPrefix = ""): Route {
  const path = originForm(target);
  if (!path.startsWith("/")) return { kind: "malformed" };
  const route = split(path);
  if (pathPrefix === "" || route.kind === "root" || reservedIds.has(route.id)) return route;
  if (!path.startsWith(`${pathPrefix}/`)) return { kind: "elsewhere", id: route.id };
  const below = split(path.slice(pathPrefix.length));
  return below.kind !== "root" && reservedIds.has(below.id) ? { kind: "elsewhere", id: below.id } : below;
}

/** A target without its host. */
function originForm(target: string): string {
  return target.startsWith("/") ? target : target.replace(absoluteForm, "") || "/";
}

function split(path: string): Extract<Route, { kind: "root" | "unslashed" | "segment" }> {
  const [slashAt, queryAt] = [path.indexOf("/", 1), path.indexOf("?", 1)];
  const end = queryAt >= 0 && (slashAt < 0 || queryAt < slashAt) ? queryAt : slashAt;
  const id = end < 0 ? path.slice(1) : path.slice(1, end);
  const rest = path.slice(1 + id.length);
  if (id === "" && !rest.startsWith("/")) return { kind: "root" };
  return rest.startsWith("/") ? { kind: "segment", id, target: rest } : { kind: "unslashed", id, query: rest };
}

/** The path and query of a target on a host of a backend's own; undefined where it has none. */
export function pathOf(target: string): string | undefined {
  const path = originForm(target);
  return path.startsWith("?") ? `/${path}` : path.startsWith("/") ? path : undefined;
}

/** The id that a host below the domain names: all in front of it, which is none where there are further dots. */
export function idOfHost(hostName: string, domain: string): string | undefined {
  return hostName.endsWith(`.${domain}`) ? hostName.slice(0, -domain.length - 1) : undefined;
}
