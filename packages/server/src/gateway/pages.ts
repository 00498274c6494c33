import type { ErrorBody } from "@spawner/client";
import { errorType, makeErrorAnswer } from "../core/error-body.ts";
import type { Backend } from "../core/resource.ts";
import { livingStates, rankOf } from "../core/states.ts";
import { stateOf, stoppingSince } from "../core/status.ts";
import type { Answer } from "../relay/index.ts";
import { waitingScript, waitingStyle } from "./waiting-assets.ts";

/** Where the gateway's own files are, on every host. */
const assetsPath = "/_spawner";

export interface WaitingPageOptions {
  /** What a proxy in front has taken off every path. */
  readonly prefix: string;
  /** The path of the backend's status stream. Default: there is none, and the page looks again now and then. */
  readonly stream: string | undefined;
}

/** What the steps of a start are to those who wait for it. */
const stepNames = {
  Submitted: "Asked for",
  Constructed: "Prepared",
  Scheduled: "Placed",
  Running: "Started",
  Ready: "Ready",
} as const satisfies Record<(typeof livingStates)[number], string>;

/**
 * What a browser shows until a backend is ready. 503: it is not the page that was asked for, so that nothing keeps it. It needs
 * no script; with one it follows the states.
 */
export function waitingPage(backend: Backend, { prefix, stream }: WaitingPageOptions): Answer {
  const rank = rankOf(stateOf(backend));
  const isStopping = stoppingSince(backend) !== undefined;
  const steps = livingStates.map((state) => {
    const isNext = rankOf(state) === rank + 1 && !isStopping;
    const how = rankOf(state) <= rank ? ' class="done"' : isNext ? ' aria-current="step"' : "";
    return `<li data-state="${state}"${how}>${stepNames[state]}</li>`;
  });
  const data = stream === undefined ? "" : ` data-stream="${escaped(stream)}"`;
  const head =
    '<noscript><meta http-equiv="refresh" content="2"></noscript>' +
    `<script defer src="${escaped(prefix)}${assetsPath}/waiting.js"${data}></script>`;
  const news = `The session is ${isStopping ? "ending" : "starting"}.`;
  const body = `<ol>${steps.join("")}</ol><p role="status" aria-live="polite">${news}</p>`;
  const html = page(isStopping ? "Ending…" : "Starting…", { prefix, state: "waiting", head, body });
  return { status: 503, headers: { ...pageHeaders, "retry-after": "1" }, body: html };
}

/** What a browser shows of a backend that is over, and why it is. */
export function endedPage({ status }: Backend, { prefix }: { prefix: string }): Answer {
  const title = status.failed ? "The session has failed" : "The session has ended";
  const body = `<p role="alert">${escaped(`${status.message ?? ""} (${status.reason})`)}</p>`;
  return { status: 410, headers: pageHeaders, body: page(title, { prefix, state: "ended", head: "", body }) };
}

/** What people call what a status says. Others are said to programs alone. */
const refusalTitles: Readonly<Record<number, string>> = {
  401: "You are not let in",
  403: "You are not let in here",
  404: "There is nothing here",
  410: "The session has ended",
  429: "There is no room at present",
  500: "Something has gone wrong",
  502: "The session does not answer",
  503: "Not now",
  504: "The session does not answer",
};

/**
 * What a browser shows in place of an error that programs are told. With a Retry-After it looks again by itself. Gives what
 * it was given where there is no page for it.
 */
export function refusalPage(answer: Answer, { prefix }: { prefix: string }): Answer {
  const title = refusalTitles[answer.status];
  const { headers = {}, body: text = "" } = answer;
  if (title === undefined || headers["content-type"] !== errorType) return answer;
  const { message } = JSON.parse(text) as ErrorBody;
  const seconds = headers["retry-after"];
  const head = seconds === undefined ? "" : `<meta http-equiv="refresh" content="${5 * Number(seconds)}">`;
  const body = `<p role="alert">${escaped(message)}</p>`;
  return {
    ...answer,
    headers: { ...headers, ...pageHeaders },
    body: page(title, { prefix, state: "refused", head, body }),
  };
}

/** A file of the gateway's own, below `/_spawner`. */
export function asset(path: string, method: string): Answer {
  const file = assets.get(path.split("?", 1)[0] ?? "");
  if (file === undefined) return makeErrorAnswer("not_found", "There is no such file of the gateway's own.");
  if (method === "GET" || method === "HEAD") return file;
  const answer = makeErrorAnswer("method_not_allowed", `GET is needed here, ${method} was given.`);
  return { ...answer, headers: { ...answer.headers, allow: "GET, HEAD" } };
}

const assets: ReadonlyMap<string, Answer> = new Map([
  ["/waiting.js", file("text/javascript; charset=utf-8", waitingScript)],
  ["/waiting.css", file("text/css; charset=utf-8", waitingStyle)],
]);

function file(type: string, body: string): Answer {
  const headers = { "content-type": type, "x-content-type-options": "nosniff", "cache-control": "max-age=300" };
  return { status: 200, headers, body };
}

/** Nothing that stands in the page is run, whatever a message may have in it. */
const pageHeaders = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

interface PageParts {
  readonly prefix: string;
  readonly state: "waiting" | "ended" | "refused";
  readonly head: string;
  readonly body: string;
}

function page(title: string, { prefix, state, head, body }: PageParts): string {
  return `<!doctype html>
<html lang="en" data-state="${state}"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<link rel="stylesheet" href="${escaped(prefix)}${assetsPath}/waiting.css">
${head}</head><body><main><h1>${title}</h1>${body}</main></body></html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
