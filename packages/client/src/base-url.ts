/**
 * The API's URL as every request begins: without a slash at its end, a query or a fragment. One like `/api` is of the
 * page's own server. Throws a `TypeError` at one that no request can be made to.
 */
export function parseBaseUrl(url: unknown): string {
  if (typeof url !== "string") {
    throw new TypeError(`The API's URL must be a string like https://example.com/api, not ${JSON.stringify(url)}.`);
  }
  const page = (globalThis as { location?: { href?: string } }).location?.href;
  const parsed = URL.canParse(url, page) ? new URL(url, page) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new TypeError(`The API's URL must be like https://example.com/api, not ${JSON.stringify(url)}.`);
  }
  // Not quoted: it holds a password.
  if (parsed.username !== "" || parsed.password !== "") {
    throw new TypeError("The API's URL must hold no user name or password; a token is given by `token`.");
  }
  return parsed.origin + parsed.pathname.replace(/\/+$/, "");
}
