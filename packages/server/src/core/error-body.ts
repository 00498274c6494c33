import { randomUUID } from "node:crypto";
import type { ErrorBody, ErrorCode } from "@spawner/client";
import { httpStatusOf, retryAfterSecondsOf } from "./errors.ts";

/** The Content-Type of errors, and of nothing else that is answered on those surfaces. */
export const errorType = "application/json; charset=utf-8";

/** An error as an HTTP answer, on the surfaces that a relay serves. */
export function makeErrorAnswer(code: ErrorCode, message: string) {
  const status = httpStatusOf[code];
  const headers: Record<string, string> = {
    "content-type": errorType,
    "cache-control": "no-store",
  };
  const retryAfter = retryAfterSecondsOf[status];
  if (retryAfter !== undefined) headers["retry-after"] = String(retryAfter);
  return { status, headers, body: JSON.stringify(makeErrorBody(code, message)) };
}

/** The body of an error answer, with an id of its own. `message` names the value given and the value needed. */
export function makeErrorBody(code: ErrorCode, message: string): ErrorBody {
  return { id: randomUUID(), code, message };
}
