import { randomUUID } from "node:crypto";
import type { ErrorBody, ErrorCode } from "@spawner/client";
import { httpStatusOf } from "./errors.ts";

/** The Content-Type of errors, and of nothing else that is answered on those surfaces. */
export const errorType = "application/json; charset=utf-8";

/** An error as an HTTP answer, on the surfaces that a relay serves. */
export function makeErrorAnswer(code: ErrorCode, message: string) {
  const status = httpStatusOf[code];
  const headers: Record<string, string> = {
    "content-type": errorType,
    "cache-control": "no-store",
  };
  if (status === 503 || status === 429) headers["retry-after"] = "1";
  return { status, headers, body: JSON.stringify(makeErrorBody(code, message)) };
}

/** The body of an error answer, with an id of its own. `message` names the value given and the value needed. */
export function makeErrorBody(code: ErrorCode, message: string): ErrorBody {
  return { id: randomUUID(), code, message };
}
