import { SpawnerError } from "../core/errors.ts";
import { spawnRequestSchema } from "./schemas.ts";

/**
 * A request as clients of 0.1.9 send them, as one of ours: fields that are unknown are passed over, a field that is null is one
 * that was left out, and PORT in `env` is the port's own. Throws invalid_request without an image, which 0.1.9 demanded, or a template.
 */
export function readCompatRequest(body: unknown): unknown {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  const known = new Set(Object.keys(spawnRequestSchema.properties));
  const given = Object.entries(body).filter(([name, value]) => known.has(name) && value !== null);
  const request: Record<string, unknown> = Object.fromEntries(given);
  if (request.image === undefined && request.template === undefined)
    throw new SpawnerError("invalid_request", "image is missing.");
  return { ...request, ...(request.env === undefined ? {} : { env: withoutPort(request.env) }) };
}

function withoutPort(env: unknown): unknown {
  if (typeof env !== "object" || env === null || Array.isArray(env)) return env;
  return Object.fromEntries(Object.entries(env).filter(([name]) => name !== "PORT"));
}
