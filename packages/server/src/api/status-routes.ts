import { SpawnerError } from "../core/errors.ts";
import { hasEnded, statusMessage } from "../core/status.ts";
import { findBackend, type Room } from "./room.ts";
import { errorBodySchema, idParamsSchema, statusMessageSchema } from "./schemas.ts";
import { openStatusStream } from "./status-stream.ts";
import { urlOf } from "./views.ts";

type IdRoute = { Params: { id: string } };

const errors = { "4xx": errorBodySchema, "5xx": errorBodySchema };

/** What anybody who has a backend's id may ask: its state, its states as they come, and whether it is ready. */
export function addStatusRoutes(room: Room): void {
  const { app, hub, clock, urls } = room;

  app.route<IdRoute>({
    method: "GET",
    url: "/backend/:id/status",
    schema: {
      summary: "The state of a backend",
      params: idParamsSchema,
      response: { 200: statusMessageSchema, ...errors },
    },
    handler: async ({ params }) => statusMessage(await findBackend(room, params.id)),
  });

  app.route<IdRoute>({
    method: "GET",
    url: "/backend/:id/status/stream",
    schema: {
      summary: "The states of a backend as server-sent events, from the first; ends after the last",
      params: idParamsSchema,
      response: { 200: { description: "text/event-stream of states", type: "string" }, ...errors },
    },
    handler: async ({ params, headers }, reply) => {
      const backend = await findBackend(room, params.id);
      const lastEventId = headers["last-event-id"];
      reply.type("text/event-stream").header("cache-control", "no-cache").header("x-accel-buffering", "no");
      const resumeAfter = typeof lastEventId === "string" ? lastEventId : undefined;
      return reply.send(openStatusStream({ backend, hub, clock, lastEventId: resumeAfter }));
    },
  });

  app.route<IdRoute>({
    method: "GET",
    url: "/backend/:id/ready",
    schema: {
      summary: "302 to the backend when it is ready, 409 before, 410 when it is over",
      params: idParamsSchema,
      response: { 302: { description: "Ready: follow Location", type: "null" }, ...errors },
    },
    handler: async ({ params }, reply) => {
      const backend = await findBackend(room, params.id);
      const { state, reason, message } = statusMessage(backend);
      if (hasEnded(backend)) throw new SpawnerError("backend_ended", `The backend has ended (${reason}): ${message}`);
      if (state !== "Ready") throw new SpawnerError("not_ready", `The backend is not ready yet: it is ${state}.`);
      const url = urlOf(params.id, urls);
      return url === undefined ? reply.code(200).send({}) : reply.redirect(url, 302);
    },
  });
}
