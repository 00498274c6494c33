import { parseLabelSelector } from "../core/label-selector.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded } from "../core/status.ts";
import { findBackend } from "./find-backend.ts";
import { letNobodyIn } from "./let-nobody-in.ts";
import type { RouteDeps } from "./route-deps.ts";
import { idParamsSchema, listQuerySchema, stopQuerySchema } from "./schemas.ts";
import { viewOf } from "./views.ts";

type IdRoute = { Params: { id: string } };
type StopRoute = IdRoute & { Querystring: { graceSeconds?: number } };
type ListRoute = { Querystring: { label?: string[]; limit?: number; continue?: string } };

const defaultLimit = 100;

/** What those who run the service may ask and do: all backends, one backend, and ending it. */
export function addBackendRoutes(deps: RouteDeps): void {
  const { app, engine } = deps;
  // What lives has one: only of what has ended it is asked, since on a cluster each time is a request.
  const view = async (backend: Backend) =>
    viewOf({ backend, hasWorkload: !hasEnded(backend) || (await hasWorkload(backend)) }, deps);
  const hasWorkload = async ({ metadata }: Backend) => (await engine.workloads.observe(metadata)).kind !== "absent";

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
      const selector = (query.label ?? []).flatMap(parseLabelSelector);
      const after = query.continue === undefined ? {} : { continue: query.continue };
      const page = await engine.backends.list({ selector, limit: query.limit ?? defaultLimit, ...after });
      const backends = (await Promise.all(page.items.map(view))).filter((each) => each !== undefined);
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
    handler: async ({ params }) => view(await findBackend(deps, params.id)),
  });

  app.route<StopRoute>({
    method: "DELETE",
    url: "/backend/:id",
    schema: {
      operationId: "stopBackend",
      summary: "End a backend: 202, or 200 where it has ended already. Its record stays for a while",
      params: idParamsSchema,
      querystring: stopQuerySchema,
      response: { 200: { $ref: "Backend#" }, 202: { $ref: "Backend#" } },
    },
    handler: async ({ params, query }, reply) => {
      const backend = await findBackend(deps, params.id);
      const { name, uid } = backend.metadata;
      const isOver = hasEnded(backend);
      const isAsked = !isOver || (query.graceSeconds !== undefined && (await hasWorkload(backend)));
      const asked = isAsked ? await engine.backends.requestStop({ name, uid }, query) : backend;
      if (!isOver) await letNobodyIn(deps, asked);
      return reply.code(isOver ? 200 : 202).send(await view(asked));
    },
  });
}
