import type { SpawnRequest, SpawnResponse } from "@spawner/client";
import type { Room } from "./room.ts";
import { errorBodySchema, spawnRequestSchema, spawnResponseSchema } from "./schemas.ts";

/** `POST /spawn`: starts a backend. It is recorded when the answer arrives, and starting. */
export function addSpawnRoute({ app }: Room, spawn: (request: SpawnRequest) => Promise<SpawnResponse>): void {
  app.route<{ Body: SpawnRequest }>({
    method: "POST",
    url: "/spawn",
    schema: {
      summary: "Start a backend",
      body: spawnRequestSchema,
      response: { 200: spawnResponseSchema, "4xx": errorBodySchema, "5xx": errorBodySchema },
    },
    handler: async ({ body }) => spawn(body),
  });
}
