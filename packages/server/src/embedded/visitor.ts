import type { SpawnResponse } from "@spawner/client";
import { makeErrorAnswer } from "../core/error-body.ts";
import { isSpawnerError } from "../core/errors.ts";
import type { Answer, RequestHead } from "../relay/index.ts";

/**
 * Whether a person has opened this address in a browser: not a prefetch, a HEAD, an image, a script or a frame. Browsers
 * say so themselves (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/); those that do not are known by what they accept.
 */
function isNavigation(head: RequestHead): boolean {
  if (head.method !== "GET") return false;
  const purpose = ["sec-purpose", "purpose", "x-purpose", "x-moz"].map((name) => head.header(name) ?? "").join(" ");
  if (/prefetch|preview|prerender/i.test(purpose)) return false;
  const mode = head.header("sec-fetch-mode");
  if (mode !== undefined) return mode === "navigate" && head.header("sec-fetch-dest") === "document";
  return (head.header("accept") ?? "").includes("text/html");
}

/** Answers `/`: a navigating browser is sent to a backend of its own, anybody else is told what there is. */
export async function answerVisitor(head: RequestHead, spawn: () => Promise<SpawnResponse>): Promise<Answer> {
  if (head.method !== "GET" && head.method !== "HEAD") {
    const answer = makeErrorAnswer("method_not_allowed", `GET is needed at /, ${head.method} was given.`);
    return { ...answer, headers: { ...answer.headers, allow: "GET, HEAD" } };
  }
  if (!isNavigation(head)) return { status: 200, headers: { "content-type": "text/plain; charset=utf-8" }, body: hint };
  try {
    const { name } = await spawn();
    return { status: 303, headers: { location: `/${name}/`, "cache-control": "no-store" } };
  } catch (error) {
    if (isSpawnerError(error)) return makeErrorAnswer(error.code, error.message);
    throw error;
  }
}

const hint = `Open this address in a browser to start a session of your own, or start one with:

  POST /api/spawn   content-type: application/json   {}
`;
