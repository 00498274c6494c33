import { SpawnerClientError } from "../errors.ts";
import { tokenParameter } from "../protocol.ts";

/** What a page needs of the answer of `POST /connect`: its application's server hands it over as it is. */
export interface Connection {
  /** Where the backend is. */
  readonly url?: string | undefined;
  readonly token: string;
  /** RFC 3339. */
  readonly tokenExpiresAt: string;
  readonly generation: string;
  /** Where its states are told. Without it, an end is noticed by what fails. */
  readonly statusUrl?: string | undefined;
}

/** A connection as it was understood. */
export interface Access {
  /** The backend's URL, with a slash at its end and nothing behind that. */
  readonly base: string;
  readonly token: string;
  /** By this page's clock: the token is over soon after. */
  readonly renewAtMs: number;
  readonly generation: string;
  readonly statusUrl: string | undefined;
}

/** Tokens are renewed this long before their end, so that one that is sent lasts for the way. */
const renewBeforeMs = 30_000;

/** Throws `bad_answer`, which does not quote what may hold a token. */
export function parseConnection(value: unknown): Access {
  const { url, token, tokenExpiresAt, generation, statusUrl } = (value ?? {}) as {
    [Name in keyof Connection]: unknown;
  };
  const leftMs = Date.parse(String(tokenExpiresAt)) - Date.now();
  try {
    if (typeof token === "string" && typeof generation === "string" && !Number.isNaN(leftMs)) {
      // One that is over as it comes is new all the same: this clock is wrong, and the gateway's will tell.
      const renewAtMs =
        leftMs > 0 ? Date.now() + leftMs - Math.min(renewBeforeMs, leftMs / 2) : Number.POSITIVE_INFINITY;
      const stated = statusUrl === undefined ? undefined : bareUrl(statusUrl);
      return { base: `${bareUrl(url)}/`, token, renewAtMs, generation, statusUrl: stated };
    }
  } catch {
    // said below, without the URL
  }
  throw new SpawnerClientError("bad_answer", "What `connect` gave is no answer of POST /connect.");
}

/** Without a slash at its end, a query and a fragment. Throws at what no request can be made to. */
function bareUrl(url: unknown): string {
  const page = (globalThis as { location?: { href?: string } }).location?.href;
  const { protocol, origin, pathname } = new URL(String(url), page);
  if (!/^https?:$/.test(protocol)) throw new TypeError(protocol);
  return origin + pathname.replace(/\/+$/, "");
}

/** Throws a `TypeError` at what leads elsewhere, since the token goes along. */
export function urlBelow(base: string, path: string): URL {
  // A program sees itself at `/`: `/socket` is its own, and not the server's that it lives under.
  const relative = String(path).replace(/^\/+/, "");
  const url = URL.canParse(relative, base) ? new URL(relative, base) : undefined;
  if (url?.href.startsWith(base)) return url;
  throw new TypeError(`A path of the session is needed, such as "socket"; ${JSON.stringify(path)} was given.`);
}

/** With the token in it, since a page cannot give a WebSocket any fields. The gateway keeps it from the program. */
export function socketUrl({ base, token }: Access, path: string): URL {
  const url = urlBelow(base, path);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  url.search += `${url.search === "" ? "?" : "&"}${tokenParameter}=${token}`;
  return url;
}
