import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import type { RouteDeps } from "./route-deps.ts";

/** A stream to be sent, and how it is ended before its time, where that can be told from its end. */
export interface OpenedStream {
  readonly stream: Readable;
  readonly finish?: () => void;
}

/**
 * Answers with a stream: its head at once, though the first byte may come late. A HEAD gets the head alone. Throws
 * too_many_connections.
 */
export function sendStream({ streams }: RouteDeps, reply: FastifyReply, open: () => OpenedStream): FastifyReply {
  // A client may have left while its backend was looked up: nothing would ever end what is opened for it.
  const isHeadOnly = reply.request.method === "HEAD" || reply.raw.destroyed;
  if (isHeadOnly) return reply.header("x-accel-buffering", "no").send(Readable.from([]));
  const place = streams.take();
  reply.raw.once("close", place.giveBack);
  reply.header("x-accel-buffering", "no");
  reply.raw.once("pipe", () => reply.raw.flushHeaders());
  const { stream, finish } = open();
  if (finish !== undefined) place.finishBy(finish);
  return reply.send(stream);
}
