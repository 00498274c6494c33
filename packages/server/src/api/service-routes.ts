import { SpawnerError } from "../core/errors.ts";
import type { Room } from "./room.ts";

/** What machines ask of the service itself. */
export function addServiceRoutes({ app, hub }: Room): void {
  const config = { surface: "public" } as const;
  const yes = { type: "object", description: "Yes." };

  app.route({
    method: "GET",
    url: "/healthz",
    config,
    schema: { operationId: "checkHealth", summary: "Whether it runs", response: { 200: yes } },
    handler: async () => ({}),
  });

  app.route({
    method: "GET",
    url: "/readyz",
    config: { ...config, errors: ["unavailable"] },
    schema: { operationId: "checkReadiness", summary: "Whether it knows the backends", response: { 200: yes } },
    handler: async () => {
      if (hub.hasSynced) return {};
      throw new SpawnerError("unavailable", "The backends have not been read yet.");
    },
  });

  app.route({
    method: "GET",
    url: "/openapi.json",
    config,
    schema: {
      operationId: "getDocument",
      summary: "This document",
      response: { 200: { type: "object", additionalProperties: true, description: "OpenAPI 3.1." } },
    },
    handler: async () => app.swagger(),
  });
}
