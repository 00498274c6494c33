import type { ErrorCode } from "@spawner/client";
import { httpStatusOf } from "../core/errors.ts";

/** An answer as the OpenAPI document describes it. */
export interface DocumentedResponse {
  readonly description: string;
  readonly headers?: Readonly<Record<string, object>>;
  readonly content: Readonly<Record<string, object>>;
}

const meanings: Readonly<Record<ErrorCode, string>> = {
  invalid_request: "The request is not HTTP/1.1, or a part of it is not as described here.",
  unauthorized: "A token is needed.",
  unsupported_media_type: "The body is not said to be JSON.",
  body_too_large: "The body is too long.",
  not_found: "There is no such backend, or its record is gone.",
  method_not_allowed: "The path takes other methods: see Allow.",
  not_ready: "The backend is not ready yet.",
  backend_ended: "The backend is over.",
  already_exists: "There is one already.",
  conflict: "It was changed meanwhile.",
  too_many_backends: "As many backends run as may.",
  too_many_waiting: "As many requests wait as may.",
  forbidden_host: "The Host named is not served here.",
  forbidden_origin: "A page of another origin asks with a cookie.",
  forbidden_role: "The token is good for other things.",
  misdirected: "The backend is another one by now.",
  head_too_large: "The head of the request is too long.",
  not_implemented: "A method or transfer coding that is not offered.",
  version_not_supported: "A version of HTTP that is not spoken.",
  too_many_connections: "As many connections are open as may be.",
  unavailable: "What is needed for an answer is away for the moment.",
  upstream_failed: "The gateway did not reach the API.",
  upstream_timeout: "The API took longer than the gateway waits.",
  timeout: "The request did not arrive whole in time.",
  internal: "A fault of the server; its log has the cause under the error's id.",
};

const headersOf: Readonly<Record<number, Record<string, object>>> = {
  401: { "WWW-Authenticate": header("Bearer, and whether a token was given but is unknown.", "string") },
  405: { Allow: header("The methods that the path takes.", "string") },
  429: { "Retry-After": header("Seconds after which to try again.", "integer") },
  503: { "Retry-After": header("Seconds after which to try again.", "integer") },
};

/** Error codes that share a status are one response; these are its name among the document's components and itself. */
export function errorResponses(codes: readonly ErrorCode[]) {
  const statuses = [...new Set(codes.map((code) => httpStatusOf[code]))].sort((a, b) => a - b);
  return statuses.map((status) => {
    const ofStatus = [...new Set(codes)].filter((code) => httpStatusOf[code] === status).sort();
    return { status, name: ofStatus.join("_or_"), response: responseOf(status, ofStatus) };
  });
}

function responseOf(status: number, codes: readonly ErrorCode[]): DocumentedResponse {
  const headers = headersOf[status];
  const schema = {
    allOf: [{ $ref: "#/components/schemas/Error" }, { type: "object", properties: { code: { enum: codes } } }],
  };
  const examples = Object.fromEntries(codes.map((code) => [code, { value: exampleOf(code) }]));
  return {
    description: codes.map((code) => `\`${code}\`: ${meanings[code]}`).join(" "),
    ...(headers === undefined ? {} : { headers }),
    content: { "application/json": { schema, examples } },
  };
}

function exampleOf(code: ErrorCode) {
  return { id: "6f1d4c3e-8f0a-4a53-9d5e-2f1b7c9a0e44", code, message: meanings[code] };
}

function header(description: string, type: string) {
  return { description, schema: { type } };
}
