import { Readable } from "node:stream";
import { findBackend } from "./find-backend.ts";
import { readLogs } from "./read-logs.ts";
import type { RouteDeps } from "./route-deps.ts";
import { idParamsSchema, logQuerySchema } from "./schemas.ts";
import { sendStream } from "./send-stream.ts";

type LogRoute = { Params: { id: string }; Querystring: { tail?: number; follow?: boolean } };

/** What a program wrote, for those who run the service. */
export function addLogRoutes(deps: RouteDeps): void {
  deps.app.route<LogRoute>({
    method: "GET",
    url: "/backend/:id/logs",
    schema: {
      operationId: "getBackendLogs",
      summary: "What the program of a backend wrote: stdout and stderr as they came, byte for byte",
      description:
        "There is as much as the server keeps, for as long as the record is there. An answer to `follow` that is cut off " +
        "has not come to the end of the program.",
      params: idParamsSchema,
      querystring: logQuerySchema,
      response: {
        200: {
          description: "The output.",
          content: { "text/plain": { schema: { type: "string", examples: ["listening on port 8080\n"] } } },
        },
      },
    },
    handler: async ({ params, query }, reply) => {
      const backend = await findBackend(deps, params.id);
      const { tail, follow = false } = query;
      const left = new AbortController();
      reply.raw.once("close", () => left.abort());
      reply.type("text/plain; charset=utf-8").header("cache-control", "no-store");
      // A program's output is whatever it pleases; it must not become a page of this origin.
      reply.header("x-content-type-options", "nosniff");
      return sendStream(deps, reply, () => {
        const tailLines = tail === undefined ? {} : { tailLines: tail };
        const logs = readLogs(deps, backend, { ...tailLines, follow, signal: left.signal });
        return { stream: Readable.from(logs, { objectMode: false }) };
      });
    },
  });
}
