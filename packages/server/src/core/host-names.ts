/**
 * The host that a request is for, with its port: the one in its target, where the target is in absolute form, and else the
 * one in its Host field (RFC 9112 3.2.2). A check of the field alone would let any other host pass.
 */
export function askedHost(target: string, hostField: string): string {
  if (target.startsWith("/")) return hostField;
  return /^https?:\/\/([^/?#]*)/i.exec(target)?.[1] ?? hostField;
}

/** The host name in a Host field: in lower case, without port; `[::1]` as it is. */
export function hostNameOf(host: string): string {
  return host.toLowerCase().replace(/:[0-9]*$/, "");
}
