import { SpawnerError } from "../core/errors.ts";
import type { RouteDeps } from "./route-deps.ts";

/** What machines ask of the service itself. */
export function addServiceRoutes({ app, hub, metrics }: RouteDeps): void {
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
    url: "/metrics",
    schema: {
      operationId: "getMetrics",
      summary: "The metrics of this process, in the text format of Prometheus",
      response: {
        200: {
          description: "Each metric with its help, its type and its values; docs/metrics.md lists them.",
          content: { "text/plain; version=0.0.4": { schema: { type: "string", examples: [metricsExample] } } },
        },
      },
    },
    handler: async (_, reply) =>
      reply
        .type(metrics.contentType)
        .header("cache-control", "no-store")
        .send(await metrics.text()),
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

const metricsExample =
  "# HELP spawner_gateway_parked_requests Requests that wait for their backend to be ready.\n" +
  "# TYPE spawner_gateway_parked_requests gauge\nspawner_gateway_parked_requests 0\n";
