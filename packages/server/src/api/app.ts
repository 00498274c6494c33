import swagger from "@fastify/swagger";
import { type FastifyInstance, fastify } from "fastify";
import { deadlines } from "../core/deadlines.ts";
import { type Auth, onlyWithToken } from "./auth.ts";
import { answerClientError, answerErrorsOf, type ErrorDeps, sendError } from "./errors.ts";
import { onlyHosts } from "./host-names.ts";
import { documentOptions } from "./openapi.ts";
import { namedSchemas } from "./schemas.ts";
import type { TokensFile } from "./tokens-file.ts";
import { validatorCompiler } from "./validator.ts";

export interface AppOptions extends ErrorDeps {
  readonly auth: Auth;
  /** Undefined where everybody may use everything. */
  readonly tokens: TokensFile | undefined;
  readonly allowedHosts: readonly string[] | undefined;
}

/** An HTTP server without routes: what holds for all of them is set. */
export async function makeApp({ auth, tokens, allowedHosts, log, bodyBytesMax }: AppOptions): Promise<FastifyInstance> {
  const app: FastifyInstance = fastify({
    bodyLimit: bodyBytesMax,
    forceCloseConnections: true,
    requestTimeout: deadlines.requestBodyMs,
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, _, reply) => sendError(reply, error, { log, bodyBytesMax }),
    routerOptions: { maxParamLength: 200 },
    // Node takes the longer of both limits for the whole request.
    http: { headersTimeout: deadlines.requestBodyMs, connectionsCheckingInterval: 1_000 },
  });
  app.setValidatorCompiler(validatorCompiler);
  answerErrorsOf(app, { log, bodyBytesMax });
  takeOnlyJson(app);
  // RFC 9110 10.1.1 lets a server pass over an expectation that it does not know; Node's own answer to it has no body.
  app.server.on("checkExpectation", (request, response) => app.server.emit("request", request, response));
  if (allowedHosts !== undefined) app.addHook("onRequest", onlyHosts(allowedHosts));
  if (tokens !== undefined) app.addHook("onRequest", onlyWithToken(tokens));
  for (const [name, schema] of Object.entries(namedSchemas)) app.addSchema({ $id: name, ...schema });
  await app.register(swagger, documentOptions(auth));
  return app;
}

/** Clients that name a content type with every request name it with a DELETE too, which has no body. */
function takeOnlyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "" && request.method === "DELETE") done(null, undefined);
    else void parse(request, body, done);
  });
}
