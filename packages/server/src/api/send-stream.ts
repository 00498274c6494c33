import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";

/** Answers with a stream: its head at once, though the first byte may come late. A HEAD gets the head alone. */
export function sendStream(reply: FastifyReply, open: () => Readable): FastifyReply {
  reply.header("x-accel-buffering", "no");
  if (reply.request.method === "HEAD") return reply.send(Readable.from([]));
  reply.raw.once("pipe", () => reply.raw.flushHeaders());
  return reply.send(open());
}
