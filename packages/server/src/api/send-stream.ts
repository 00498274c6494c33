import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import type { RouteDeps } from "./route-deps.ts";

/**
 * Answers with a stream: its head at once, though the first byte may come late. A HEAD gets the head alone. Throws
 * too_many_connections.
 */
export function sendStream({ streams }: RouteDeps, reply: FastifyReply, open: () => Readable): FastifyReply {
  // A client may have left while its backend was looked up: nothing would ever end what is opened for it.
  const isHeadOnly = reply.request.method === "HEAD" || reply.raw.destroyed;
  if (isHeadOnly) return reply.header("x-accel-buffering", "no").send(Readable.from([]));
  reply.raw.once("close", streams.take());
  reply.header("x-accel-buffering", "no");
  reply.raw.once("pipe", () => reply.raw.flushHeaders());
  return reply.send(open());
}
