import type { SpawnRequest, SpawnResponse } from "@spawner/client";
import { readCompatRequest } from "./compat-request.ts";
import type { RouteDeps } from "./route-deps.ts";
import { compatSpawnResponseSchema, spawnRequestSchema } from "./schemas.ts";

/**
 * `POST /spawn`: starts a backend. It is recorded when the answer arrives, and starting. `compat`: takes and answers what 0.1.9
 * did.
 */
export function addSpawnRoute(
  { app }: RouteDeps,
  { spawn, compat }: { spawn: (request: SpawnRequest) => Promise<SpawnResponse>; compat: boolean },
): void {
  app.route<{ Body: SpawnRequest }>({
    method: "POST",
    url: "/spawn",
    config: { role: "spawn", errors: ["too_many_backends", "unavailable"] },
    schema: {
      operationId: "spawnBackend",
      summary: "Start a backend",
      body: spawnRequestSchema,
      response: { 200: compat ? compatSpawnResponseSchema : { $ref: "SpawnResponse#" } },
    },
    ...(compat
      ? {
          preValidation: async (request: { body: unknown }) => {
            request.body = readCompatRequest(request.body);
          },
        }
      : {}),
    handler: async ({ body }) => (compat ? withNulls(await spawn(body)) : spawn(body)),
  });
}

function withNulls({ url, name, readyUrl, statusUrl }: SpawnResponse) {
  return { url: url ?? null, name, readyUrl: readyUrl ?? null, statusUrl: statusUrl ?? null };
}
