import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode } from "@spawner/client";
import { bearerTokenOf } from "../core/bearer.ts";
import { makeErrorBody } from "../core/error-body.ts";
import { httpStatusOf, isSpawnerError, SpawnerError } from "../core/errors.ts";

const bodyBytesMax = 4_096;

/** SHA-256 of the bearer token that a request carries, or of nothing: what is kept of tokens, and compared. */
export function bearerTokenSha256(request: IncomingMessage): Buffer {
  const token = bearerTokenOf(request.headers.authorization) ?? "";
  return createHash("sha256").update(token).digest();
}

/** A JSON object of 4 KiB at most; rejects with a SpawnerError. */
export async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > bodyBytesMax)
      throw new SpawnerError("body_too_large", `The body may have ${bodyBytesMax} bytes at most.`);
    chunks.push(chunk as Buffer);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new SpawnerError(
    "invalid_request",
    `The body must be a JSON object; ${JSON.stringify(text.slice(0, 60))} was given.`,
  );
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, { type: "application/json", text: JSON.stringify(body) });
}

export function send(response: ServerResponse, status: number, { type, text }: { type: string; text: string }): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}

export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = isSpawnerError(error);
  const code: ErrorCode = known ? error.code : "internal";
  sendJson(response, httpStatusOf[code], makeErrorBody(code, known ? error.message : "An internal error happened."));
}
