import type { ErrorCode } from "@spawner/client";
import { bearerTokenOf } from "../core/bearer.ts";
import type { ConnectionToken, ConnectionTokenVerifier } from "../core/connection-token.ts";
import type { Backend } from "../core/resource.ts";
import { isRevoked } from "../core/revocations.ts";
import { identityOf, isIdentityOfName } from "../core/workload.ts";
import type { RequestHead } from "../relay/index.ts";
import { type Credential, credentialsOf, type KnownCookies } from "./connection-credential.ts";

export interface AdmissionRules {
  readonly verifier: ConnectionTokenVerifier;
  /** Whether every backend asks for a token, and not only those that say so. */
  readonly requireToken: boolean;
  /** Origins (`https://app.example.com`), beside a backend's own, whose pages may use a browser's cookie. */
  readonly allowedOrigins: ReadonlySet<string>;
}

export interface AdmissionRequest {
  readonly head: RequestHead;
  readonly target: string;
  readonly cookieName: string;
  readonly cookies: KnownCookies;
  /** What the client calls this server: `https://play.example.com`. */
  readonly ownOrigin: string;
}

export interface Admitted {
  readonly kind: "admitted";
  readonly token: ConnectionToken;
  readonly credential: Credential;
  readonly isAuthorizationOurs: boolean;
}

/** The backend asks nobody for a token. */
interface Open {
  readonly kind: "open";
  readonly isAuthorizationOurs: boolean;
}

interface Refused {
  readonly kind: "refused";
  readonly code: ErrorCode;
  readonly message: string;
}

/**
 * Whether, and as whom, a request may go to a backend. `isAuthorizationOurs`: the Authorization field has a token of ours,
 * whomever for: it is not for programs.
 */
export type Admission = Open | Admitted | Refused;

const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether only those with a token are let in to a backend. */
export function asksForToken({ spec }: Backend, rules: Pick<AdmissionRules, "requireToken">): boolean {
  return rules.requireToken || spec.requireToken === true;
}

/** Judges the token that a request brings, or does not. */
export function admit(request: AdmissionRequest, backend: Backend, rules: AdmissionRules): Admission {
  if (!asksForToken(backend, rules)) return { kind: "open", isAuthorizationOurs: isAuthorizationOurs(request, rules) };
  const credentials = credentialsOf(request.head, request);
  if (credentials.length > 0 && !rules.verifier.canVerify) return refuse("unavailable", noKeyMessage);
  let refusal: Refused | undefined;
  let hasStrange = false;
  for (const credential of credentials) {
    const judged = judge(credential, request, backend, rules);
    if (judged === undefined) {
      hasStrange ||= credential.by === "bearer";
      continue;
    }
    if (judged.kind === "valid") {
      const { token } = judged;
      const isOurs = credential.by === "bearer" || isAuthorizationOurs(request, rules);
      return { kind: "admitted", token, credential, isAuthorizationOurs: isOurs };
    }
    if (credential.by !== "cookie") return judged;
    // A browser may have several of that name, some of which it was given by others: one that is good is enough.
    refusal ??= judged;
  }
  return refusal ?? refuse("unauthorized", hasStrange ? strangeTokenMessage : noTokenMessage);
}

/** Whether a request brings a good token for another generation of this backend: one that may not be heard of here yet. */
export function isForAnotherGeneration(
  request: AdmissionRequest,
  backend: Backend,
  { verifier }: Pick<AdmissionRules, "verifier">,
): boolean {
  return credentialsOf(request.head, request).some(({ text }) => {
    const verdict = verifier.verify(text);
    if (verdict.kind !== "valid") return false;
    const { backend: identity } = verdict.token;
    return identity !== identityOf(backend) && isIdentityOfName(identity, backend);
  });
}

type Judged = { readonly kind: "valid"; readonly token: ConnectionToken } | Refused;

/** Undefined for what is not meant for us. */
function judge(
  { by, text }: Credential,
  request: AdmissionRequest,
  backend: Backend,
  rules: AdmissionRules,
): Judged | undefined {
  const verdict = rules.verifier.verify(text);
  if (verdict.kind === "invalid") {
    // The application may have an Authorization field or a cookie of its own, which looks like ours.
    return by === "query" ? refuse("unauthorized", "The token in the URL is none of ours.") : undefined;
  }
  const { token } = verdict;
  if (token.backend !== identityOf(backend)) return refuseOther(token, backend);
  if (verdict.kind === "expired") {
    return refuse("unauthorized", `The token is over since ${new Date(token.expiresAtMs).toISOString()}.`);
  }
  if (isRevoked(backend, token)) return refuse("unauthorized", revokedMessage);
  const origin = by === "cookie" ? strangeOrigin(request, rules) : undefined;
  if (origin === undefined) return { kind: "valid", token };
  return refuse("forbidden_origin", `Pages of ${JSON.stringify(origin)} may not use this session's cookie.`);
}

const noTokenMessage = "A connection token is needed: open the URL that connecting gives.";

/** It may be the program's own, and is no reason to refuse anybody who has one of ours. */
const strangeTokenMessage =
  "A connection token is needed, and the token in Authorization is none: open the URL that connecting gives.";

/** Nobody can say yet whether a token is good: to call it bad would have its client give up. */
const noKeyMessage = "There is no key yet to judge connection tokens by.";

/** What those are told whose token was taken back. */
export const revokedMessage = "The token was revoked.";

/** Only what looks like a JSON Web Token is looked at: others are programs' own. Of several fields one is enough. */
function isAuthorizationOurs({ head }: AdmissionRequest, { verifier }: AdmissionRules): boolean {
  return head.headers("authorization").some((value) => {
    const text = bearerTokenOf(value);
    return text?.startsWith("eyJ") === true && verifier.verify(text).kind !== "invalid";
  });
}

function refuse(code: ErrorCode, message: string): Refused {
  return { kind: "refused", code, message };
}

function refuseOther(token: ConnectionToken, backend: Backend): Refused {
  if (!isIdentityOfName(token.backend, backend)) {
    return refuse("unauthorized", "The token is for another session.");
  }
  return refuse("backend_ended", "The session that this token is for has ended, and another one has its place.");
}

/**
 * Where a page sent this that is neither ours nor allowed: a browser adds its cookie to what any page asks for. Only what
 * does something is looked at: what a page of another origin reads of an answer is the browser's to forbid (CORS).
 */
function strangeOrigin({ head, ownOrigin }: AdmissionRequest, { allowedOrigins }: AdmissionRules): string | undefined {
  if (head.upgrade === undefined && safeMethods.has(head.method)) return undefined;
  const origin = head.header("origin");
  if (origin === undefined || origin === ownOrigin || allowedOrigins.has(origin)) return undefined;
  return origin;
}
