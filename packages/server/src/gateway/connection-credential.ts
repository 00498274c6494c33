import { tokenParameter } from "@spawner/client";
import { bearerTokenOf } from "../core/bearer.ts";
import type { RequestHead } from "../relay/index.ts";

/** The cookie that a browser keeps it in, below the path of its backend. */
export const pathCookieName = "spawner-token";
/** The same where each backend has a host of its own, over https: no other host can set it (RFC 6265bis 4.1.3.2). */
export const hostCookieName = "__Host-spawner-token";

/** In every Cookie value that has a cookie of ours, in whatever case: most have none, and need not be taken apart. */
const mayBeOurs = new RegExp(pathCookieName, "i");

/** A token as a request brought it. */
export interface Credential {
  readonly by: "query" | "bearer" | "cookie";
  readonly text: string;
}

/** Every token that a request brings, the most deliberate one first. */
export function credentialsOf(
  head: RequestHead,
  { target, cookieName, cookies }: { target: string; cookieName: string; cookies: KnownCookies },
) {
  const found: Credential[] = [];
  const inQuery = queryOf(target).find(isToken);
  if (inQuery !== undefined) found.push({ by: "query", text: decoded(inQuery.split("=").slice(1).join("=")) });
  const inField = bearerTokenOf(head.header("authorization"));
  if (inField !== undefined) found.push({ by: "bearer", text: inField });
  for (const text of cookies.named(cookieName, head.cookie)) found.push({ by: "cookie", text });
  return found;
}

/** A Cookie value that is longer is read anew each time: there is one to keep for every backend. */
const keptLengthMax = 2_048;

/** Reads Cookie values, and keeps what it has read for the next request: a client sends the same with each. */
export class KnownCookies {
  #value = "";
  #name = "";
  #named: readonly string[] | undefined;
  #without: string | null | undefined;

  /** The values of all cookies of this name in a Cookie value. */
  named(name: string, value: string): readonly string[] {
    if (value.length > keptLengthMax) return cookiesNamed(name, value);
    this.#turnTo(value);
    if (this.#named === undefined || this.#name !== name) {
      this.#name = name;
      this.#named = cookiesNamed(name, value);
    }
    return this.#named;
  }

  /** A Cookie value without our cookies, null where it is empty then; as it came where none is in it. */
  without(value: string): string | null {
    if (value.length > keptLengthMax) return withoutCookie(value);
    this.#turnTo(value);
    if (this.#without === undefined) this.#without = withoutCookie(value);
    return this.#without;
  }

  #turnTo(value: string): void {
    if (value === this.#value) return;
    this.#value = value;
    this.#named = undefined;
    this.#without = undefined;
  }
}

/** The others are many, and are not taken apart. */
function cookiesNamed(name: string, value: string): string[] {
  const start = `${name}=`;
  const found: string[] = [];
  for (let at = value.indexOf(start); at >= 0; at = value.indexOf(start, at + 1)) {
    const before = value.slice(0, at).trimEnd();
    if (before !== "" && !before.endsWith(";")) continue;
    const end = value.indexOf(";", at);
    found.push(value.slice(at + start.length, end < 0 ? value.length : end).trimEnd());
  }
  return found;
}

/** A target, or the URL in a Referer field, without our parameter; all else keeps its bytes. */
export function withoutToken(target: string): string {
  const at = target.indexOf("?");
  if (at < 0 || !queryOf(target).some(isToken)) return target;
  const rest = queryOf(target).filter((pair) => !isToken(pair));
  return rest.length === 0 ? target.slice(0, at) : `${target.slice(0, at)}?${rest.join("&")}`;
}

/** A Cookie field's value without our cookies, null where it is empty then; as it came where none is in it. */
export function withoutCookie(value: string): string | null {
  if (!mayBeOurs.test(value)) return value;
  const pairs = cookiesOf(value);
  const kept = pairs.filter((pair) => !isOurCookie(pair));
  if (kept.length === pairs.length) return value;
  return kept.length === 0 ? null : kept.join("; ");
}

/**
 * Whether a Cookie or Set-Cookie value is of one of our names, in any case: some clients and programs know no case. One without
 * a name (`=a=b`) is sent as if it were `a`.
 */
export function isOurCookie(pair: string): boolean {
  if (!mayBeOurs.test(pair)) return false;
  const name = pair
    .replace(/^[\s=]+/, "")
    .split("=", 1)[0]
    ?.trim()
    .toLowerCase();
  return name === pathCookieName || name === hostCookieName.toLowerCase();
}

export interface CookieOptions {
  readonly name: string;
  /** `/<id>/`, or `/` on a host of its own. */
  readonly path: string;
  readonly maxAgeSeconds: number;
  /** Whether the browser came by https. */
  readonly isSecure: boolean;
  /** Whether it is shown within a page of another site, where only a cookie of that page's own (CHIPS) will do. */
  readonly isEmbedded: boolean;
}

/** The Set-Cookie value that keeps a token in the browser. No script can read it. */
export function cookieOf(token: string, { name, path, maxAgeSeconds, isSecure, isEmbedded }: CookieOptions): string {
  const site = isEmbedded && isSecure ? "SameSite=None; Partitioned" : "SameSite=Lax";
  return `${name}=${token}; Path=${path}; Max-Age=${maxAgeSeconds}; HttpOnly; ${site}${isSecure ? "; Secure" : ""}`;
}

function queryOf(target: string): string[] {
  const at = target.indexOf("?");
  return at < 0 ? [] : target.slice(at + 1).split("&");
}

/** Under any spelling of its name: a program that decodes it would be given the token. */
function isToken(pair: string): boolean {
  const name = pair.split("=", 1)[0] ?? "";
  return name === tokenParameter || (name.includes("%") && decoded(name) === tokenParameter);
}

/** What is no percent-encoding stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function cookiesOf(value: string): string[] {
  return value
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair !== "");
}
