import swagger from "@fastify/swagger";
import { type FastifyInstance, fastify } from "fastify";
import { deadlines } from "../core/deadlines.ts";
import type { Clock } from "../lib/clock.ts";
import { type Auth, onlyWithToken } from "./auth.ts";
import { ClientErrors } from "./client-errors.ts";
import { type ErrorDeps, sendError } from "./errors.ts";
import { onlyHosts } from "./host-names.ts";
import { takeOnlyJson } from "./json-body.ts";
import { LatestExchanges } from "./latest-exchanges.ts";
import { lingerOnClose } from "./lingering.ts";
import { refuseAmbiguousMessages, refuseBadQueries } from "./message-rules.ts";
import { documentOptions } from "./openapi.ts";
import { holdTo } from "./request-rules.ts";
import { namedSchemas } from "./schemas.ts";
import type { TokensFile } from "./tokens-file.ts";
import { refuseUnknownRoutes } from "./unknown-routes.ts";
import { validatorCompiler } from "./validator.ts";

export interface AppOptions extends ErrorDeps {
  readonly clock: Clock;
  readonly auth: Auth;
  /** Undefined where everybody may use everything. */
  readonly tokens: TokensFile | undefined;
  readonly allowedHosts: readonly string[] | undefined;
  /** Where clients find the OpenAPI document. */
  readonly documentUrl: string;
}

/** An HTTP server without routes: what holds for all of them is set. */
export async function makeApp({
  clock,
  auth,
  tokens,
  allowedHosts,
  documentUrl,
  ...errorDeps
}: AppOptions): Promise<FastifyInstance> {
  const { counts, bodyBytesMax } = errorDeps;
  const latest = new LatestExchanges();
  const clientErrors = new ClientErrors({ clock, latest, onAnswered: (status) => counts.answeredUnrouted(status) });
  const app: FastifyInstance = fastify({
    bodyLimit: bodyBytesMax,
    forceCloseConnections: true,
    requestTimeout: deadlines.requestMs,
    clientErrorHandler: clientErrors.answer,
    frameworkErrors: (error, _, reply) => {
      sendError(reply, error, errorDeps);
      counts.answeredUnrouted(reply.statusCode); // no hook is run for these
    },
    routerOptions: { maxParamLength: 200 },
    // Node takes the longer of both limits for the whole request.
    http: {
      headersTimeout: deadlines.requestMs,
      connectionsCheckingInterval: 1_000,
      // Its own refusal has no body; refuseAmbiguousMessages has one.
      requireHostHeader: false,
    },
  });
  latest.attach(app.server);
  clientErrors.attach(app.server);
  lingerOnClose(app.server, latest);
  app.setValidatorCompiler(validatorCompiler);
  app.setErrorHandler((error, _, reply) => sendError(reply, error, errorDeps));
  counts.attach(app);
  takeOnlyJson(app);
  // RFC 9110 10.1.1 lets a server pass over an expectation that it does not know; Node's own answer to it has no body.
  app.server.on("checkExpectation", (request, response) => app.server.emit("request", request, response));
  holdTo(app, [
    refuseAmbiguousMessages,
    ...(allowedHosts === undefined ? [] : [onlyHosts(allowedHosts)]),
    refuseUnknownRoutes(app, { documentUrl }),
    ...(tokens === undefined ? [] : [onlyWithToken(tokens)]),
    refuseBadQueries,
  ]);
  for (const [name, schema] of Object.entries(namedSchemas)) app.addSchema({ $id: name, ...schema });
  await app.register(swagger, documentOptions({ auth, allowedHosts }));
  return app;
}
