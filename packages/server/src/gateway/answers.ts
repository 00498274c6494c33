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
  return { kind: "answer", answer: makeErrorAnswer(code, message) };
}

export function redirect(location: string): Plan {
  return { kind: "answer", answer: { status: 308, headers: { location } } };
}

export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
