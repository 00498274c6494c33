/** Segments of a path (RFC 3986 3.3), without `;` and `,`, which end it in a Set-Cookie field and in a list. */
const segments = /^(?:\/(?:[A-Za-z0-9\-._~!$&'()*+=:@]|%[0-9A-Fa-f]{2})+)*\/?$/;

/** A segment that leads elsewhere (RFC 3986 5.2.4), in any spelling that browsers take for one. */
const dots = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/** Whether this is an absolute path that ends where it ends, and is where it says, for whoever reads it. */
export function isPlainPath(path: string): boolean {
  return path.startsWith("/") && segments.test(path) && !dots.test(path);
}
