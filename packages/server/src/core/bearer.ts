/** RFC 6750 2.1: a token's characters; the scheme's name is in any case (RFC 9110 11.1). */
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i;

/** The token of an Authorization field; undefined where it has none, or is of another scheme. */
export function bearerTokenOf(authorization: string | undefined): string | undefined {
  return bearer.exec(authorization ?? "")?.[1];
}
