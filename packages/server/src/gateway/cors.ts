import type { Answer, FieldPair, RequestHead, ResponseHead } from "../relay/index.ts";

/** How long browsers may keep what a preflight said: as long as Chromium does at most. */
const keptSeconds = 7_200;

/** The origin of the page that asks, where that is another one than ours, and allowed. */
export function allowedOriginOf(head: RequestHead, allowedOrigins: ReadonlySet<string>): string | undefined {
  if (allowedOrigins.size === 0) return undefined;
  const origin = head.header("origin");
  return origin !== undefined && allowedOrigins.has(origin) ? origin : undefined;
}

/** Whether a browser asks if a page may ask (https://fetch.spec.whatwg.org/#cors-preflight-request). It brings no token then. */
export function isPreflight(head: RequestHead): boolean {
  return head.method === "OPTIONS" && head.has("origin") && head.has("access-control-request-method");
}

/** Lets a page of `origin` ask what it wants to. 200, since an answer of a relay has a length, and 204 must have none. */
export function preflightAnswer(head: RequestHead, origin: string): Answer {
  const wanted = head.header("access-control-request-headers");
  return {
    status: 200,
    headers: {
      ...Object.fromEntries(originFields(origin)),
      "access-control-allow-methods": head.header("access-control-request-method") ?? "",
      ...(wanted === undefined ? {} : { "access-control-allow-headers": wanted }),
      "access-control-max-age": String(keptSeconds),
      vary: "origin, access-control-request-method, access-control-request-headers",
    },
  };
}

/** An answer of ours as pages of `origin` may read it. */
export function readableBy(origin: string, answer: Answer): Answer {
  if (answer.headers?.["access-control-allow-origin"] !== undefined) return answer;
  return {
    ...answer,
    headers: {
      ...answer.headers,
      ...Object.fromEntries(originFields(origin)),
      "access-control-expose-headers": "retry-after",
      vary: "origin",
    },
  };
}

/**
 * What to add to a response for pages of `origin`. A program that answers them itself is left alone. Where a page asks by
 * its origin, what is kept of the response is for that alone, and what is kept for others is not for it: `vary` says so.
 */
export function corsFields(response: ResponseHead, origin: string | undefined): readonly FieldPair[] {
  if (response.has("access-control-allow-origin")) return [];
  const vary = response.header("vary");
  const isVarying = response.hasToken("vary", "origin") || vary?.trim() === "*";
  return [
    ...(origin === undefined ? [] : originFields(origin)),
    ...(isVarying ? [] : [["vary", vary === undefined ? "origin" : `${vary}, origin`] as const]),
  ];
}

/** With the browser's cookie: who may have pages of an origin connect by it may have them read what comes. */
function originFields(origin: string): readonly FieldPair[] {
  return [
    ["access-control-allow-origin", origin],
    ["access-control-allow-credentials", "true"],
  ];
}
