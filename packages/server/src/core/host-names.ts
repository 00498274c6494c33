/** The host name in a Host field: in lower case, without port; `[::1]` as it is. */
export function hostNameOf(host: string): string {
  return host.toLowerCase().replace(/:[0-9]*$/, "");
}
