import { SpawnerError } from "../core/errors.ts";
import { parseLabelSelector } from "../core/label-selector.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded } from "../core/status.ts";
import { openBackendWatch } from "./backend-watch.ts";
import { findBackend } from "./find-backend.ts";
import type { RouteDeps } from "./route-deps.ts";
import { idParamsSchema, listQuerySchema, stopQuerySchema } from "./schemas.ts";
import { sendStream } from "./send-stream.ts";
import { stopBackend } from "./stop-backend.ts";
import { viewOf } from "./views.ts";

type IdRoute = { Params: { id: string } };
type StopRoute = IdRoute & { Querystring: { graceSeconds?: number } };
type ListRoute = { Querystring: { label?: string[]; limit?: number; continue?: string; watch?: boolean } };

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
      summary: "Backends in order of their names; or each as it is added, changed and deleted",
      description:
        "With `watch`, server-sent events: `added` for each backend that this API knows of, `synced`, and from then on `added`, " +
        "`changed` and `deleted`, each with a Backend; `deleted` also of one that the labels asked for do not select any " +
        "more. Each connection begins anew. `closed`, with `code` and `message`, says why a stream ends. A comment comes " +
        "at least each 15 seconds.",
      querystring: listQuerySchema,
      response: {
        200: {
          description: "A page of backends; or, with `watch`, server-sent events.",
          content: {
            "application/json": { schema: { $ref: "BackendList#" } },
            "text/event-stream": { schema: { examples: [watchExample] } },
          },
        },
      },
    },
    handler: async ({ query }, reply) => {
      const selector = (query.label ?? []).flatMap(parseLabelSelector);
      if (query.watch === true) {
        refusePaging(query);
        reply.type("text/event-stream").header("cache-control", "no-cache");
        return sendStream(deps, reply, () => openBackendWatch(deps, selector));
      }
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
      const isOver = hasEnded(backend);
      const isAsked = !isOver || (query.graceSeconds !== undefined && (await hasWorkload(backend)));
      const asked = isAsked ? await stopBackend(deps, backend, query) : backend;
      return reply.code(isOver ? 200 : 202).send(await view(asked));
    },
  });
}

/** Somebody who asks for a page of a watch expects what does not come. */
function refusePaging(query: ListRoute["Querystring"]): void {
  const given = (["limit", "continue"] as const).filter((name) => query[name] !== undefined);
  if (given.length === 0) return;
  throw new SpawnerError(
    "invalid_request",
    `watch tells of all backends, without pages: ${given.join(" and ")} must be left out.`,
  );
}

const watchExample = "event: synced\ndata: {}\n\n";
