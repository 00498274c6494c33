import { bearerTokenOf } from "../core/bearer.ts";
import { SpawnerError } from "../core/errors.ts";
import type { RequestRule } from "./request-rules.ts";
import { roleOf, surfaceOf } from "./route-config.ts";
import type { TokensFile } from "./tokens-file.ts";

/** Who may use the control surface. The public one is open to all who reach it. */
export type Auth =
  /** Those with a token of this file: one a line, `#` begins a comment. */
  | { readonly kind: "tokens"; readonly tokensFile: string }
  /** Everybody. */
  | { readonly kind: "anonymous" };

/** Refuses requests for the control surface that bring no token of the file, or one that is good for other things. */
export function onlyWithToken(tokens: TokensFile): RequestRule {
  return (request, reply) => {
    if (surfaceOf(request.routeOptions.config) === "public") return;
    const token = bearerTokenOf(request.headers.authorization);
    const roles = token === undefined ? undefined : tokens.rolesOf(token);
    if (roles !== undefined) {
      const needed = roleOf(request.routeOptions.config, request.method);
      if (roles.has("admin") || roles.has(needed)) return;
      const given = [...roles].join(", ");
      throw new SpawnerError("forbidden_role", `A token for ${needed} is needed here; the one given is for ${given}.`);
    }
    const error = token === undefined ? "" : ', error="invalid_token"';
    reply.header("www-authenticate", `Bearer realm="spawner"${error}`);
    throw new SpawnerError("unauthorized", token === undefined ? tokenNeeded : tokenUnknown);
  };
}

const tokenNeeded = "A token is needed here and none was given: send the header authorization: Bearer TOKEN.";
const tokenUnknown = "The token given is not one that is accepted here; ask who runs this service for another.";
