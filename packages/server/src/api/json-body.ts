import { MIMEType } from "node:util";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { SpawnerError } from "../core/errors.ts";

/** What is asked for has three levels. Deeper nesting can only be meant to exhaust the stack of whoever walks it. */
const depthMax = 32;

/** The body of every request is JSON (RFC 8259), not compressed. */
export function takeOnlyJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  // What is thrown here is handed on by Fastify; a promise would take turns of the event loop.
  app.addContentTypeParser<Buffer>("application/json", { parseAs: "buffer" }, (request, body, done) => {
    done(null, readBody(request, body));
  });
}

function readBody({ method, headers }: FastifyRequest, body: Buffer): unknown {
  // Clients that name a content type with every request name it with a DELETE too, which has no body.
  if (body.length === 0 && method === "DELETE") return undefined;
  refuseOtherCharset(headers["content-type"]);
  const coding = headers["content-encoding"] ?? "identity";
  if (coding.toLowerCase() === "identity") return parseJson(body);
  throw new SpawnerError(
    "unsupported_media_type",
    `The body must not be encoded; ${JSON.stringify(coding.slice(0, 80))} was given.`,
  );
}

/** JSON is UTF-8 (RFC 8259, 8.1); what is said to be something else would be read as what it is not. */
function refuseOtherCharset(contentType = ""): void {
  if (contentType === "application/json") return; // nothing to parse there, as in most requests
  const charset = new MIMEType(contentType).params.get("charset") ?? "utf-8";
  if (/^utf-?8$/i.test(charset)) return;
  throw new SpawnerError(
    "unsupported_media_type",
    `The body must be in UTF-8; ${JSON.stringify(charset.slice(0, 80))} was given as its charset.`,
  );
}

/** Throws a SpawnerError, which shows nothing of the body: environments hold secrets. */
function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) throw invalid("The body is empty; a JSON object is needed.");
  const value = parse(decode(bytes));
  refuseTraps(value);
  return value;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalid("The body is not JSON: it is not UTF-8.");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`The body is not JSON${whereOf((error as Error).message)}.`);
  }
}

/** Level by level, since a walk that calls itself is what deep nesting is meant for. */
function refuseTraps(root: unknown): void {
  let level = [root].filter(isObject);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === depthMax) throw invalid(`The body may be nested ${depthMax} levels deep at most.`);
    const below: object[] = [];
    for (const object of level) {
      if (Object.hasOwn(object, "__proto__")) throw invalid('The body must not have the name "__proto__".');
      for (const value of Object.values(object) as unknown[]) if (isObject(value)) below.push(value);
    }
    level = below;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Where the parser stopped, without what it shows of the text there. */
function whereOf(parserMessage: string): string {
  const [, position] = /at position (\d+)/.exec(parserMessage) ?? [];
  if (position !== undefined) return `: see its character ${Number(position) + 1}`;
  return parserMessage.includes("Unexpected end") ? ": it ends too early" : "";
}

function invalid(message: string): SpawnerError {
  return new SpawnerError("invalid_request", message);
}
