import { SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded } from "../core/status.ts";
import { findBackend, type Room } from "./room.ts";
import { idParamsSchema, listQuerySchema } from "./schemas.ts";
import { viewOf } from "./views.ts";

type IdRoute = { Params: { id: string } };
type ListRoute = { Querystring: { label?: string[]; limit?: number; continue?: string } };

const defaultLimit = 100;

/** What those who run the service may ask and do: all backends, one backend, and ending it. */
export function addBackendRoutes(room: Room): void {
  const { app, engine, names, urls } = room;
  const view = (backend: Backend) => viewOf(backend, names, urls);

  app.route<ListRoute>({
    method: "GET",
    url: "/backends",
    config: { errors: ["unavailable"] },
    schema: {
      operationId: "listBackends",
      summary: "Backends in order of their names",
      querystring: listQuerySchema,
      response: { 200: { $ref: "BackendList#" } },
    },
    handler: async ({ query }) => {
      const labels = labelsOf(query.label ?? []);
      const after = query.continue === undefined ? {} : { continue: query.continue };
      const page = await engine.backends.list({ labels, limit: query.limit ?? defaultLimit, ...after });
      const backends = page.items.map(view).filter((each) => each !== undefined);
      return page.continue === undefined ? { backends } : { backends, continue: page.continue };
    },
  });

  app.route<IdRoute>({
    method: "GET",
    url: "/backend/:id",
    schema: {
      operationId: "getBackend",
      summary: "A backend",
      params: idParamsSchema,
      response: { 200: { $ref: "Backend#" } },
    },
    handler: async ({ params }) => view(await findBackend(room, params.id)),
  });

  app.route<IdRoute>({
    method: "DELETE",
    url: "/backend/:id",
    schema: {
      operationId: "stopBackend",
      summary: "End a backend: 202, or 200 where it has ended already. Its record stays for a while",
      params: idParamsSchema,
      response: { 200: { $ref: "Backend#" }, 202: { $ref: "Backend#" } },
    },
    handler: async ({ params }, reply) => {
      const backend = await findBackend(room, params.id);
      if (hasEnded(backend)) return view(backend);
      const { name, uid } = backend.metadata;
      return reply.code(202).send(view(await engine.backends.requestStop({ name, uid })));
    },
  });
}

/** Throws invalid_request where one label is to have two values, as none has. */
function labelsOf(selectors: readonly string[]): Record<string, string> {
  const labels = new Map<string, string>();
  for (const selector of selectors) {
    const [name = "", value = ""] = selector.split("=", 2);
    const other = labels.get(name);
    if (other !== undefined && other !== value) {
      throw new SpawnerError("invalid_request", `label ${name} has one value; ${other} and ${value} were given.`);
    }
    labels.set(name, value);
  }
  return Object.fromEntries(labels);
}
