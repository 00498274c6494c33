import { makeErrorAnswer } from "../core/error-body.ts";
import { isSpawnerError } from "../core/errors.ts";
import type { Answer, RequestHead } from "../relay/index.ts";

/**
 * Whether a person has opened this address in a browser. Stricter than what the gateway takes for a page that is opened
 * (gateway/browser-request.ts), since a program is started for it: not a prefetch, nor a frame. Browsers say so themselves (Fetch
 * Metadata, https://www.w3.org/TR/fetch-metadata/); those that do not are known by what they accept.
 */
function isVisit(head: RequestHead): boolean {
  if (head.method !== "GET") return false;
  const purpose = ["sec-purpose", "purpose", "x-purpose", "x-moz"].map((name) => head.header(name) ?? "").join(" ");
  if (/prefetch|preview|prerender/i.test(purpose)) return false;
  const mode = head.header("sec-fetch-mode");
  if (mode !== undefined) return mode === "navigate" && head.header("sec-fetch-dest") === "document";
  return (head.header("accept") ?? "").includes("text/html");
}

/** Whether a page of another origin has sent a browser here: any page can, as often as it likes, and a program starts each time. */
function isSentByOthers(head: RequestHead): boolean {
  const site = head.header("sec-fetch-site");
  return site === "cross-site" || site === "same-site";
}

export interface VisitorOptions {
  /** Starts a backend, and says where it is. Undefined: only those with a token may start one. */
  readonly spawn: (() => Promise<string>) | undefined;
  /** Which templates there are, where one has to be named. */
  readonly choice: string | undefined;
}

/**
 * Answers `/`: a browser that a person has opened it in is sent to a backend of its own, where `spawn` says that it is; one that a
 * page of others has sent here shows a link that does the same; anybody else is told what there is. Without `spawn`, where
 * only those with a token may start backends, and where a template has to be chosen, everybody is told.
 */
export async function answerVisitor(head: RequestHead, { spawn, choice }: VisitorOptions): Promise<Answer> {
  if (head.method !== "GET" && head.method !== "HEAD") {
    const answer = makeErrorAnswer("method_not_allowed", `GET is needed at /, ${head.method} was given.`);
    return { ...answer, headers: { ...answer.headers, allow: "GET, HEAD" } };
  }
  if (spawn === undefined) return tell(hintForHolders(choice));
  if (choice !== undefined) return tell(hintForChoice(choice));
  if (!isVisit(head)) return tell(hint);
  if (isSentByOthers(head)) return invitation;
  try {
    return { status: 303, headers: { location: await spawn(), "cache-control": "no-store" } };
  } catch (error) {
    if (isSpawnerError(error)) return makeErrorAnswer(error.code, error.message);
    throw error;
  }
}

function tell(body: string): Answer {
  return { status: 200, headers: { "content-type": "text/plain; charset=utf-8" }, body };
}

/** In no frame, where a page of others could have it clicked unseen. */
const invitation: Answer = {
  status: 200,
  headers: {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
  },
  body: `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A session of your own</title>
<meta name="viewport" content="width=device-width"></head>
<body><main><h1>A session of your own</h1><p><a href="./">Start one</a></p></main></body></html>
`,
};

const hint = `Open this address in a browser to start a session of your own, or start one with:

  POST /api/spawn   content-type: application/json   {}
`;

/** Which templates there are is for those who have a token. */
const hintForHolders = (choice: string | undefined) => `Sessions are started here by those who have a token:

  POST /api/spawn   content-type: application/json   authorization: Bearer TOKEN   ${choice === undefined ? "{}" : named}
`;

const hintForChoice = (choice: string) => `Several programs can be run here. Start a session of one of them with:

  POST /api/spawn   content-type: application/json   ${named}

NAME is that of a template; ${choice}.
`;

const named = '{"template": "NAME"}';
