import { SpawnerError } from "../core/errors.ts";
import { publicView } from "../core/public-view.ts";
import { hasEnded, recordedStatus, statusMessage } from "../core/status.ts";
import { findBackend } from "./find-backend.ts";
import type { RouteDeps } from "./route-deps.ts";
import { idParamsSchema, resumeHeadersSchema } from "./schemas.ts";
import { sendStream } from "./send-stream.ts";
import { isBehindEnd, openStatusStream } from "./status-stream.ts";
import { urlOf } from "./views.ts";

type IdRoute = { Params: { id: string } };
type StreamRoute = IdRoute & { Headers: { "last-event-id"?: string } };

/** What anybody who has a backend's id may ask: its state, its states as they come, and whether it is ready. */
export function addStatusRoutes(deps: RouteDeps): void {
  const { app, urls, compat } = deps;
  const statusOf = compat ? recordedStatus : statusMessage;
  const find = async (id: string) => publicView(await findBackend(deps, id));

  app.route<IdRoute>({
    method: "GET",
    url: "/backend/:id/status",
    config: { surface: "public" },
    schema: {
      operationId: "getBackendStatus",
      summary: "The state of a backend",
      params: idParamsSchema,
      response: { 200: { $ref: "StatusMessage#" } },
    },
    handler: async ({ params }) => statusOf(await find(params.id)),
  });

  app.route<StreamRoute>({
    method: "GET",
    url: "/backend/:id/status/stream",
    config: { surface: "public" },
    schema: {
      operationId: "streamBackendStatus",
      summary: "The states of a backend as server-sent events, from the first; ends after the last",
      description:
        "Each event is a StatusMessage; its id can be given as Last-Event-ID to go on behind it. A comment comes at least " +
        "each 15 seconds. Who gives the id of the last state gets 204, which ends a browser's EventSource.",
      params: idParamsSchema,
      headers: resumeHeadersSchema,
      response: {
        200: {
          description: "Server-sent events.",
          // Without a type: OpenAPI 3.1 does not say whether this is the stream, which is text, or one event, which is not.
          content: { "text/event-stream": { schema: { examples: [eventExample] } } },
        },
        204: { type: "null", description: "Last-Event-ID names the last state: nothing comes behind it." },
      },
    },
    handler: async ({ params, headers }, reply) => {
      const backend = await find(params.id);
      const lastEventId = headers["last-event-id"];
      // A browser's EventSource asks again after each end of a stream, until it is told so
      // (https://html.spec.whatwg.org/multipage/server-sent-events.html#server-sent-events-intro).
      if (isBehindEnd({ backend, lastEventId })) return reply.code(204).send();
      reply.type("text/event-stream").header("cache-control", "no-cache");
      return sendStream(deps, reply, () => openStatusStream(deps, { backend, lastEventId }));
    },
  });

  app.route<IdRoute>({
    method: "GET",
    url: "/backend/:id/ready",
    config: { surface: "public", errors: ["not_ready", "backend_ended"] },
    schema: {
      operationId: "checkBackendReady",
      summary: "302 to the backend when it is ready, 409 before, 410 when it is over",
      params: idParamsSchema,
      response: {
        200: { type: "object", description: "Ready, where the API was not told how clients reach backends." },
        302: {
          type: "null",
          description: "Ready: follow Location.",
          headers: { location: { type: "string", description: "Where clients reach the backend." } },
        },
      },
    },
    handler: async ({ params }, reply) => {
      const backend = await find(params.id);
      const { state, reason, message } = statusOf(backend);
      if (hasEnded(backend)) throw new SpawnerError("backend_ended", `The backend has ended (${reason}): ${message}`);
      if (state !== "Ready") throw new SpawnerError("not_ready", `The backend is not ready: it is ${state}.`);
      const url = urlOf(params.id, urls);
      return url === undefined ? reply.code(200).send({}) : reply.redirect(url, 302);
    },
  });
}

const eventExample =
  'id: 0b6a9c1e-5d0f-4c5e-9a53-0d1f7e6a2b11/Ready\ndata: {"state":"Ready","time":"2026-01-31T12:00:00.250Z"}\n\n';
