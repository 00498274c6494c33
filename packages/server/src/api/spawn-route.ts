import type { SpawnRequest, SpawnResponse } from "@spawner/client";
import type { RouteDeps } from "./route-deps.ts";
import { spawnRequestSchema } from "./schemas.ts";

/** `POST /spawn`: starts a backend. It is recorded when the answer arrives, and starting. */
export function addSpawnRoute({ app }: RouteDeps, spawn: (request: SpawnRequest) => Promise<SpawnResponse>): void {
  app.route<{ Body: SpawnRequest }>({
    method: "POST",
    url: "/spawn",
    config: { errors: ["too_many_backends", "unavailable"] },
    schema: {
      operationId: "spawnBackend",
      summary: "Start a backend",
      body: spawnRequestSchema,
      response: { 200: { $ref: "SpawnResponse#" } },
    },
    handler: async ({ body }) => spawn(body),
  });
}
