import type { FastifyInstance, FastifyRequest } from "fastify";
import { SpawnerError } from "../core/errors.ts";
import type { RequestRule } from "./request-rules.ts";

/** Refuses what is no route before anything is read of its body, whoever asks. */
export function refuseUnknownRoutes(app: FastifyInstance, { documentUrl }: { documentUrl: string }): RequestRule {
  return (request, reply) => {
    if (!request.is404) return;
    const { method } = request;
    const url = shorten(request.url);
    const allowed = methodsOf(app, request);
    if (allowed.length === 0) {
      throw new SpawnerError("not_found", `There is no route ${method} ${url}; ${documentUrl} lists those there are.`);
    }
    reply.header("allow", allowed.join(", "));
    const verb = allowed.length > 1 ? "are" : "is";
    throw new SpawnerError("method_not_allowed", `${method} is not taken at ${url}; ${allowed.join(", ")} ${verb}.`);
  };
}

function methodsOf(app: FastifyInstance, { url }: FastifyRequest): string[] {
  const path = url.split("?")[0] ?? "";
  return ["GET", "HEAD", "POST", "DELETE"].filter((method) => app.findRoute({ method, url: patternOf(path) }) !== null);
}

/** The pattern of the route that a path would match: there are few, and all of one shape. */
function patternOf(path: string): string {
  return path.replace(/^\/backend\/[^/]+/, "/backend/:id");
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
