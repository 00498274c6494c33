import type { ErrorCode } from "@spawner/client";
import type { ConnectionToken, ConnectionTokenVerifier } from "../core/connection-token.ts";
import type { Backend } from "../core/resource.ts";
import { isRevoked } from "../core/revocations.ts";
import { identityOf } from "../core/workload.ts";
import type { RequestHead } from "../relay/index.ts";
import { type Credential, credentialsOf } from "./connection-credential.ts";

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
  /** What the client calls this server: `https://play.example.com`. */
  readonly ownOrigin: string;
}

export interface Admitted {
  readonly kind: "admitted";
  readonly token: ConnectionToken;
  readonly credential: Credential;
}

/** Whether, and as whom, a request may go to a backend. */
export type Admission =
  /** The backend asks nobody for a token. */
  | { readonly kind: "open" }
  | Admitted
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly message: string };

const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Judges the token that a request brings, or does not. */
export function admit(request: AdmissionRequest, backend: Backend, rules: AdmissionRules): Admission {
  if (!rules.requireToken && backend.spec.requireToken !== true) return { kind: "open" };
  for (const credential of credentialsOf(request.head, request)) {
    const verdict = rules.verifier.verify(credential.text);
    // The application may have an Authorization field or a cookie of its own, which looks like ours.
    if (verdict.kind === "invalid" && credential.by !== "query") continue;
    if (verdict.kind === "invalid") return refuse("unauthorized", "The token in the URL is none of ours.");
    const { token } = verdict;
    if (token.backend !== identityOf(backend)) {
      if (credential.by === "cookie") continue; // of the generation before
      return refuseOther(token, backend);
    }
    if (verdict.kind === "expired") {
      return refuse("unauthorized", `The token is over since ${new Date(token.expiresAtMs).toISOString()}.`);
    }
    if (isRevoked(backend, token)) return refuse("unauthorized", "The token was revoked.");
    const origin = credential.by === "cookie" ? strangeOrigin(request, rules) : undefined;
    if (origin !== undefined) {
      return refuse("forbidden_origin", `Pages of ${JSON.stringify(origin)} may not use this session's cookie.`);
    }
    return { kind: "admitted", token, credential };
  }
  return refuse("unauthorized", "A connection token is needed: open the URL that connecting gives.");
}

function refuse(code: ErrorCode, message: string): Admission {
  return { kind: "refused", code, message };
}

function refuseOther(token: ConnectionToken, { metadata }: Backend): Admission {
  if (!token.backend.startsWith(`${metadata.name}/`)) {
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
