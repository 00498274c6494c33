import type { ErrorCode } from "@spawner/client";
import { makeErrorAnswer } from "../core/error-body.ts";
import { reservedIds } from "../core/names.ts";
import type { Backend } from "../core/resource.ts";
import type { Answer, Plan } from "../relay/index.ts";

export function endedAnswer(backend: Backend): Answer {
  const { reason, message } = backend.status;
  return makeErrorAnswer("backend_ended", `The backend has ended (${reason}): ${message}`);
}

export function unknown(id: string): Plan {
  if (id === "") {
    return refuse("not_found", "There is no backend there: a path has one slash in front of the id, more were given.");
  }
  const hint = reservedIds.has(id) ? "that path is not a backend's" : "it never was, or its record is gone";
  return refuse("not_found", `There is no backend ${quote(id)}: ${hint}.`);
}

export function refuse(code: ErrorCode, message: string): Plan {
  return { kind: "answer", answer: refusalAnswer(code, message) };
}

/** RFC 9110 11.6.1: who is not let in is told by what. */
export function refusalAnswer(code: ErrorCode, message: string): Answer {
  const answer = makeErrorAnswer(code, message);
  if (code !== "unauthorized") return answer;
  return { ...answer, headers: { ...answer.headers, "www-authenticate": 'Bearer realm="spawner"' } };
}

/** Not to be kept, nor told to others: there may be a token in it. */
export function redirect(location: string): Plan {
  const headers = {
    location: safeLocation(location),
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
  };
  return { kind: "answer", answer: { status: 308, headers } };
}

/**
 * A path as a Location: what begins with two slashes would be another host, and browsers take `\` for one of them
 * (https://url.spec.whatwg.org/#relative-slash-state). Bytes beyond ASCII go in percent-encoding.
 */
export function safeLocation(path: string): string {
  const ascii = path.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
  return /^[/\\]{2}/.test(ascii) ? `/.${ascii}` : ascii;
}

export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
