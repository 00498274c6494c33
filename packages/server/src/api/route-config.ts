import type { ErrorCode } from "@spawner/client";

/** Who may use a route: anybody who can reach the API, or those with a token. */
export type Surface = "public" | "control";

/** What a token of the tokens file is good for. */
export const tokenRoles = ["read", "spawn", "admin"] as const;
export type TokenRole = (typeof tokenRoles)[number];

declare module "fastify" {
  interface FastifyContextConfig {
    /** Default: control, so that a new route is closed until somebody opens it. */
    surface?: Surface;
    /** What a token must be good for, beside `admin`. Default: `read` for what only looks, else none will do. */
    role?: TokenRole;
    /** The errors that this route alone can answer with; those that its shape implies are known (openapi.ts). */
    errors?: readonly ErrorCode[];
  }
}

/** What a token must be good for at this route. */
export function roleOf(config: { role?: TokenRole } | undefined, method: string): TokenRole {
  return config?.role ?? (method === "GET" || method === "HEAD" ? "read" : "admin");
}

/** The surface of a route with this `config`. */
export function surfaceOf(config: { surface?: Surface } | undefined): Surface {
  return config?.surface ?? "control";
}
