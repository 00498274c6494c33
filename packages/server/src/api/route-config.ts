import type { ErrorCode } from "@spawner/client";

/** Who may use a route: anybody who can reach the API, or those with a token. */
export type Surface = "public" | "control";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Default: control, so that a new route is closed until somebody opens it. */
    surface?: Surface;
    /** The errors that this route alone can answer with; those that its shape implies are known (openapi.ts). */
    errors?: readonly ErrorCode[];
  }
}

/** The surface of a route with this `config`. */
export function surfaceOf(config: { surface?: Surface } | undefined): Surface {
  return config?.surface ?? "control";
}
