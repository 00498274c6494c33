import type { FastifyError, FastifyReply } from "fastify";
import { makeErrorBody } from "../core/error-body.ts";
import { httpStatusOf, isSpawnerError, retryAfterSecondsOf, SpawnerError } from "../core/errors.ts";
import type { Log } from "../lib/log.ts";
import type { ApiMetrics } from "./metrics.ts";

interface BodyLimits {
  readonly bodyBytesMax: number;
}

export interface ErrorDeps extends BodyLimits {
  readonly log: Log;
  readonly counts: ApiMetrics;
}

/** What Fastify itself has to refuse, in our words. */
const fastifyErrors: Readonly<Record<string, (error: FastifyError, limits: BodyLimits) => SpawnerError>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new SpawnerError("unsupported_media_type", "The body must be JSON, and say so: content-type: application/json."),
  FST_ERR_CTP_BODY_TOO_LARGE: (_, { bodyBytesMax }) =>
    new SpawnerError("body_too_large", `The body may have ${bodyBytesMax} bytes at most.`),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new SpawnerError("invalid_request", "The body does not have the length that Content-Length says."),
  FST_ERR_MAX_PARAM_LENGTH: () => new SpawnerError("not_found", "There is no backend with so long an id."),
  FST_ERR_BAD_URL: ({ message }) =>
    new SpawnerError("invalid_request", `The path must be UTF-8, percent-encoded: ${message.slice(0, 120)}.`),
};

/** Answers with an error; its id and cause go into the log. */
export function sendError(reply: FastifyReply, error: unknown, { log, counts, bodyBytesMax }: ErrorDeps): FastifyReply {
  const known = toSpawnerError(error, { bodyBytesMax });
  counts.refused(reply.request, known.code);
  const body = makeErrorBody(known.code, known.message);
  const status = httpStatusOf[known.code];
  const fields = { errorId: body.id, code: body.code, route: reply.request.routeOptions.url, err: error };
  // 501 and 505 are the client's doing, who must not be able to fill the log of errors.
  if (status >= 500 && status !== 501 && status !== 505) log.error(fields, "request failed");
  else log.debug(fields, "request refused");
  const retryAfter = known.retryAfterSeconds ?? retryAfterSecondsOf[status];
  if (retryAfter !== undefined) reply.header("retry-after", String(retryAfter));
  // Fastify would close where a body is too long. A client that keeps its connection may: the rest of the body is read away.
  if (reply.raw.shouldKeepAlive && reply.hasHeader("connection")) reply.removeHeader("connection");
  return reply.code(status).type("application/json; charset=utf-8").send(body);
}

function toSpawnerError(error: unknown, limits: BodyLimits): SpawnerError {
  if (isSpawnerError(error)) return error;
  const { code = "", statusCode = 500, message } = error as Partial<FastifyError>;
  const translate = fastifyErrors[code];
  if (translate !== undefined) return translate(error as FastifyError, limits);
  if (statusCode >= 400 && statusCode < 500)
    return new SpawnerError("invalid_request", `${message}.`, { cause: error });
  return new SpawnerError("internal", "Something went wrong; the server's log has it under this id.", { cause: error });
}
