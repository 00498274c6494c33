import type { Socket } from "node:net";
import type { ErrorCode } from "@spawner/client";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { makeErrorBody } from "../core/error-body.ts";
import { httpStatusOf, isSpawnerError, SpawnerError } from "../core/errors.ts";
import type { Log } from "../lib/log.ts";

interface BodyLimits {
  readonly bodyBytesMax: number;
}

export interface ErrorDeps extends BodyLimits {
  readonly log: Log;
}

/** What Fastify itself has to refuse, in our words. */
const fastifyErrors: Readonly<Record<string, (error: FastifyError, limits: BodyLimits) => SpawnerError>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new SpawnerError("unsupported_media_type", "The body must be JSON, and say so: content-type: application/json."),
  FST_ERR_CTP_EMPTY_JSON_BODY: () => new SpawnerError("invalid_request", "The body is empty; a JSON object is needed."),
  FST_ERR_CTP_INVALID_JSON_BODY: (error) =>
    new SpawnerError("invalid_request", `The body is not JSON: ${error.message}`),
  FST_ERR_CTP_BODY_TOO_LARGE: (_, { bodyBytesMax }) =>
    new SpawnerError("body_too_large", `The body may have ${bodyBytesMax} bytes at most.`),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new SpawnerError("invalid_request", "The body does not have the length that Content-Length says."),
  FST_ERR_MAX_PARAM_LENGTH: () => new SpawnerError("not_found", "There is no backend with so long an id."),
  FST_ERR_BAD_URL: (error) => new SpawnerError("invalid_request", error.message),
};

/** Answers with an error; its id and cause go into the log. */
export function sendError(reply: FastifyReply, error: unknown, { log, bodyBytesMax }: ErrorDeps): FastifyReply {
  const known = toSpawnerError(error, { bodyBytesMax });
  const body = makeErrorBody(known.code, known.message);
  const status = httpStatusOf[known.code];
  const fields = { errorId: body.id, code: body.code, route: reply.request.routeOptions.url, err: error };
  if (status >= 500) log.error(fields, "request failed");
  else log.debug(fields, "request refused");
  if (status === 429 || status === 503) reply.header("retry-after", "1");
  return reply.code(status).type("application/json; charset=utf-8").send(body);
}

function toSpawnerError(error: unknown, limits: BodyLimits): SpawnerError {
  if (isSpawnerError(error)) return error;
  const { code = "", statusCode = 500, message } = error as Partial<FastifyError>;
  const translate = fastifyErrors[code];
  if (translate !== undefined) return translate(error as FastifyError, limits);
  if (error instanceof SyntaxError && statusCode === 400) {
    return new SpawnerError("invalid_request", `The body is not JSON: ${message}`, { cause: error });
  }
  if (statusCode >= 400 && statusCode < 500)
    return new SpawnerError("invalid_request", `${message}.`, { cause: error });
  return new SpawnerError("internal", "Something went wrong; the server's log has it under this id.", { cause: error });
}

/** Every way of being refused, as an ErrorBody. */
export function answerErrorsOf(app: FastifyInstance, deps: ErrorDeps): void {
  app.setErrorHandler((error, _, reply) => sendError(reply, error, deps));
  app.setNotFoundHandler((request, reply) => {
    const allowed = methodsOf(app, request);
    if (allowed.length === 0) return sendError(reply, noRoute(request), deps);
    reply.header("allow", allowed.join(", "));
    const message = `${request.method} is not taken at ${shorten(request.url)}; ${allowed.join(", ")} ${allowed.length > 1 ? "are" : "is"}.`;
    return sendError(reply, new SpawnerError("method_not_allowed", message), deps);
  });
}

function methodsOf(app: FastifyInstance, { url }: FastifyRequest): string[] {
  const path = url.split("?")[0] ?? "";
  return ["GET", "HEAD", "POST", "DELETE"].filter((method) => app.findRoute({ method, url: patternOf(path) }) !== null);
}

/** The pattern of the route that a path would match: there are few, and all of one shape. */
function patternOf(path: string): string {
  return path.replace(/^\/backend\/[^/]+/, "/backend/:id");
}

function noRoute({ method, url }: FastifyRequest): SpawnerError {
  return new SpawnerError(
    "not_found",
    `There is no route ${method} ${shorten(url)}; /openapi.json lists those there are.`,
  );
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

const socketErrors: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: "head_too_large",
  ERR_HTTP_REQUEST_TIMEOUT: "timeout",
};

/** Answers what is no HTTP, or comes too slowly, before any route sees it. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const code = socketErrors[error.code ?? ""] ?? "invalid_request";
  const status = httpStatusOf[code];
  const message =
    code === "timeout"
      ? "The request did not arrive whole in time: is its body as long as Content-Length says?"
      : `The request is not HTTP/1.1: ${error.message}.`;
  const body = JSON.stringify(makeErrorBody(code, message));
  socket.end(
    `HTTP/1.1 ${status} ${code}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
