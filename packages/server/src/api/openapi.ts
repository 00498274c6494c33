import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import type { ErrorCode } from "@spawner/client";
import type { FastifySchema, RouteOptions } from "fastify";
import type { Auth } from "./auth.ts";
import { errorResponses } from "./error-responses.ts";
import { roleOf, surfaceOf } from "./route-config.ts";

/** What can be answered to any request: by the route, by what reads HTTP, by a gateway in between. */
const commonErrors: readonly ErrorCode[] = [
  "invalid_request",
  "timeout",
  "head_too_large",
  "internal",
  "not_implemented",
  "upstream_failed",
  "upstream_timeout",
  "too_many_connections",
  "version_not_supported",
];

const description = `Session-lived backends: a server process of its own for each user, document or game.

Every answer of 400 and above has an \`Error\` as its body. Every GET can be asked with HEAD. A path that is none of these gets
404 \`not_found\`, a method that a path does not take 405 \`method_not_allowed\` with \`Allow\`.`;

interface DocumentedAccess {
  readonly auth: Auth;
  readonly allowedHosts: readonly string[] | undefined;
}

/** The document is made from the routes themselves: their schemas, their surface and the errors they name. */
export function documentOptions(access: DocumentedAccess): FastifyDynamicSwaggerOptions {
  const securitySchemes = {
    token: { type: "http", scheme: "bearer", description: "A token of the tokens file." },
  } as const;
  return {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Spawner", version: "1", description, license: { name: "MIT", identifier: "MIT" } },
      // Relative to the document itself (OpenAPI 3.1, 4.8.5), so that it is true behind every gateway.
      servers: [{ url: ".", description: "Where this document is." }],
      components: access.auth.kind === "tokens" ? { securitySchemes } : {},
    },
    stripBasePath: false,
    refResolver: { buildLocalReference: ({ $id }) => String($id) },
    transform: ({ schema, url, route }) => ({ schema: documentedSchema(schema, route, access), url }),
    transformObject: (made) => ("openapiObject" in made ? withErrors(made.openapiObject) : made.swaggerObject),
  };
}

/** Marks an operation with its errors, for `withErrors`. */
const errorsMark = "x-errors";

function documentedSchema(
  schema: FastifySchema,
  route: RouteOptions,
  { auth, allowedHosts }: DocumentedAccess,
): FastifySchema {
  const isClosed = auth.kind === "tokens" && surfaceOf(route.config) === "control";
  const errors: ErrorCode[] = [...commonErrors, ...(route.config?.errors ?? [])];
  if (allowedHosts !== undefined) errors.push("forbidden_host");
  if (isClosed) errors.push("unauthorized", "forbidden_role");
  if (route.url.includes("/:id")) errors.push("not_found", "unavailable");
  if (route.method !== "GET") errors.push("body_too_large", "unsupported_media_type");
  const body = schema.body === undefined ? {} : { body: withoutPatternProperties(schema.body) };
  const marks = {
    security: isClosed ? [{ token: [roleOf(route.config, String(route.method))] }] : [],
    [errorsMark]: errors,
  };
  return { ...schema, ...body, ...marks };
}

/**
 * `patternProperties` with one pattern for all names, said by `propertyNames`: @fastify/swagger forgets the pattern, and few
 * readers of OpenAPI know it.
 */
function withoutPatternProperties(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutPatternProperties);
  if (typeof schema !== "object" || schema === null) return schema;
  const { patternProperties, ...rest } = schema as { patternProperties?: Record<string, unknown> };
  const copy = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, withoutPatternProperties(value)]));
  const [[pattern, value] = []] = Object.entries(patternProperties ?? {});
  return pattern === undefined ? copy : { ...copy, propertyNames: { pattern }, additionalProperties: value };
}

interface Operation {
  responses: Record<string, object>;
  [errorsMark]?: ErrorCode[];
}

interface Document {
  paths?: Record<string, Record<string, Operation> | undefined>;
  components?: { responses?: Record<string, object> };
}

/** Puts each operation's errors in the place of its mark, as references to one description of each. */
function withErrors<Made extends object>(made: Made): Made {
  const { paths = {}, components = {} } = made as Document;
  const shared: Record<string, object> = {};
  for (const operation of Object.values(paths).flatMap((path) => Object.values(path ?? {}))) {
    for (const { status, name, response } of errorResponses(operation[errorsMark] ?? [])) {
      shared[name] = response;
      operation.responses[status] = { $ref: `#/components/responses/${name}` };
    }
    delete operation[errorsMark];
  }
  for (const { name, response } of errorResponses(["method_not_allowed"])) shared[name] = response;
  const sorted = Object.fromEntries(Object.entries(shared).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { ...made, components: { ...components, responses: sorted } };
}
