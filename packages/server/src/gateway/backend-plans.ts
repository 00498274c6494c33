import { addressOf } from "../core/address.ts";
import type { ConnectionToken } from "../core/connection-token.ts";
import { publicView } from "../core/public-view.ts";
import { refusalHeader } from "../core/relay-host.ts";
import type { Backend } from "../core/resource.ts";
import { isRevoked } from "../core/revocations.ts";
import { hasEnded } from "../core/status.ts";
import { identityOf } from "../core/workload.ts";
import type { Clock } from "../lib/clock.ts";
import type { Answer, Cut, Exchange, FieldLines, Plan, ResponseHead, Upstream } from "../relay/index.ts";
import {
  type Admission,
  type AdmissionRequest,
  type AdmissionRules,
  type Admitted,
  admit,
  asksForToken,
  isForAnotherGeneration,
  revokedMessage,
} from "./admission.ts";
import { endedAnswer, refusalAnswer, safeLocation } from "./answers.ts";
import { isEmbedded, isForPage, isNavigation } from "./browser-request.ts";
import { cookieOf, hostCookieName, KnownCookies, pathCookieName, withoutToken } from "./connection-credential.ts";
import { allowedOriginOf, corsFields, isPreflight, preflightAnswer, readableBy } from "./cors.ts";
import { type ClientView, ForwardedLines } from "./forwarded.ts";
import { backwardHead, forwardHead, identityLines } from "./heads.ts";
import type { OpenConnections } from "./open-connections.ts";
import { endedPage, waitingPage } from "./pages.ts";
import { isReachable, type Wanted } from "./parking.ts";
import { checkUpgraded, passesUpgrade } from "./upgrades.ts";

export interface BackendPlansDeps {
  readonly clock: Clock;
  readonly rules: AdmissionRules;
  readonly open: OpenConnections;
  /** How the client of a request reached us. */
  readonly viewOf: (exchange: Exchange) => ClientView;
  /** A backend as last heard. */
  readonly peek: (name: string) => Backend | undefined;
  /** Where browsers follow the states of a backend; undefined where they cannot. */
  readonly streamOf: (wanted: Wanted) => string | undefined;
  /** Whether browsers get a page while a backend is on its way. */
  readonly hasWaitingPage: boolean;
  readonly onResponse: (response: ResponseHead) => void;
}

/** How requests get to a backend. */
interface Way {
  readonly upstream: Upstream;
  readonly identity: string;
  readonly forwarded: ForwardedLines;
  readonly cookies: KnownCookies;
}

/** What requests get that are for one backend, by who asks and how the backend is. */
export class BackendPlans {
  readonly #deps: BackendPlansDeps;
  readonly #ways = new WeakMap<Backend, Way>();
  readonly #identities = new WeakMap<ConnectionToken, FieldLines>();

  constructor(deps: BackendPlansDeps) {
    this.#deps = deps;
  }

  /** To a backend that is reachable. */
  forward(exchange: Exchange, backend: Backend, wanted: Wanted): Plan {
    const { rules, onResponse } = this.#deps;
    const { head } = exchange;
    const { upstream, identity, forwarded, cookies } = this.#wayTo(backend);
    const admission = admit(admissionRequest(exchange, wanted, cookies), backend, rules);
    const instead = this.#instead(exchange, admission, wanted);
    if (instead !== undefined) return instead;
    const { prefix, target, view } = wanted;
    const place = { prefix: `${view.prefix}${prefix}`, hosts: [view.host, view.askedHost] };
    const origin = allowedOriginOf(head, rules.allowedOrigins);
    const isShared = admission.kind === "admitted" && rules.allowedOrigins.size > 0;
    return {
      kind: "forward",
      upstream,
      passesUpgrade: passesUpgrade(head),
      head: (isFirst) => {
        const how = forwarded.of(view, prefix);
        const told = admission.kind === "admitted" ? [this.#identityOf(admission.token), how] : [how];
        return forwardHead(head, { target, view, told, admission, cookies, identity: isFirst ? identity : undefined });
      },
      onResponseHead: (response) => {
        checkUpgraded(response);
        onResponse(response);
        const added = isShared && !response.isInterim ? corsFields(response, origin) : undefined;
        return backwardHead(response, place, added);
      },
      isRefusal: isRefusedByHost,
      onOpen: admission.kind === "admitted" ? this.#keepOpen(admission, { backend, origin }) : undefined,
    };
  }

  /** The same for all requests, until another record of it is heard. */
  #wayTo(backend: Backend): Way {
    const known = this.#ways.get(backend);
    if (known !== undefined) return known;
    const address = addressOf(backend);
    if (address === undefined) throw new Error("a reachable backend has an address");
    const identity = identityOf(backend);
    const { ip: host, port, relayProtocol } = address;
    // The sidecar of 0.1.9 takes it for the end of the client, and of its request.
    const takesHalfClose = relayProtocol !== 0;
    const upstream = { host, port, key: `${identity} ${host} ${port}`, takesHalfClose };
    const way = { upstream, identity, forwarded: new ForwardedLines(), cookies: new KnownCookies() };
    this.#ways.set(backend, way);
    return way;
  }

  /** The same for all requests with a token, for as long as the verifier remembers it. */
  #identityOf(token: ConnectionToken): FieldLines {
    const known = this.#identities.get(token);
    if (known !== undefined) return known;
    const lines = identityLines(token);
    this.#identities.set(token, lines);
    return lines;
  }

  /** What a request gets that is not to wait for its backend; undefined for one that is. */
  answer(exchange: Exchange, backend: Backend, wanted: Wanted): Plan | undefined {
    const admission = admit(admissionRequest(exchange, wanted, new KnownCookies()), backend, this.#deps.rules);
    const instead = this.#instead(exchange, admission, wanted);
    if (instead !== undefined || !this.#deps.hasWaitingPage || !isForPage(exchange.head)) return instead;
    if (exchange.previousFailure !== undefined || isReachable(backend)) return undefined;
    const stream = this.#deps.streamOf(wanted);
    return { kind: "answer", answer: waitingPage(backend, { prefix: wanted.view.prefix, stream }) };
  }

  /** Whether it is for another generation than this one, by its token: the watch may lag behind whoever made that. */
  isForAnother(exchange: Exchange, backend: Backend, wanted: Wanted): boolean {
    return isForAnotherGeneration(admissionRequest(exchange, wanted, new KnownCookies()), backend, this.#deps.rules);
  }

  /** What is said of a backend that is over, to anybody: a page, where a browser is to show it. */
  ended(exchange: Exchange, backend: Backend): Answer {
    const { hasWaitingPage, rules, viewOf } = this.#deps;
    const shown = publicView(backend, asksForToken(backend, rules));
    return hasWaitingPage && isForPage(exchange.head) ? endedPage(shown, viewOf(exchange)) : endedAnswer(shown);
  }

  /**
   * A browser asks for leave without a token, and so cannot be told more. Pages that are allowed get it where a token is asked
   * for, and where there is nobody to ask, so that they can read what they get then.
   */
  preflight({ head }: Exchange, known: Backend | undefined): Answer | undefined {
    const { rules } = this.#deps;
    const origin = isPreflight(head) ? allowedOriginOf(head, rules.allowedOrigins) : undefined;
    if (origin === undefined) return undefined;
    const isProgramAsked = known !== undefined && !hasEnded(known) && !asksForToken(known, rules);
    return isProgramAsked ? undefined : preflightAnswer(head, origin);
  }

  /** What a request gets before anything is passed on. */
  #instead(exchange: Exchange, admission: Admission, wanted: Wanted): Plan | undefined {
    if (admission.kind === "refused")
      return { kind: "answer", answer: refusalAnswer(admission.code, admission.message) };
    const isShown = admission.kind === "admitted" && admission.credential.by === "query" && isNavigation(exchange.head);
    return isShown ? { kind: "answer", answer: this.#keepToken(exchange, admission, wanted) } : undefined;
  }

  /** To the same page, without the token in its URL: whoever is shown that URL, or gets it as a Referer, is not let in by it. */
  #keepToken(exchange: Exchange, { token, credential }: Admitted, wanted: Wanted): Answer {
    const { clock } = this.#deps;
    const { view } = wanted;
    const prefix = `${view.prefix}${wanted.prefix}`;
    const cookie = cookieOf(credential.text, {
      name: cookieNameOf(wanted, view.proto),
      path: wanted.prefix === "" ? "/" : `${prefix}/`,
      maxAgeSeconds: Math.max(0, Math.floor((token.expiresAtMs - clock.now().getTime()) / 1000)),
      isSecure: view.proto === "https",
      isEmbedded: isEmbedded(exchange.head),
    });
    const headers = {
      location: safeLocation(`${prefix}${withoutToken(wanted.target)}`),
      "set-cookie": cookie,
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    };
    return { status: 302, headers };
  }

  /** Has what is let in ended when its token is taken back. */
  #keepOpen({ token }: Admitted, { backend, origin }: { backend: Backend; origin: string | undefined }) {
    const { open, peek } = this.#deps;
    return (cut: Cut) => {
      const revoke = revokerOf(cut, origin);
      const latest = peek(backend.metadata.name);
      // It may have been taken back since it was judged.
      const isStill = latest === undefined || latest === backend || latest.metadata.uid !== backend.metadata.uid;
      if (!isStill && isRevoked(latest, token)) revoke();
      return open.add(token, revoke);
    };
  }
}

function admissionRequest({ head }: Exchange, wanted: Wanted, cookies: KnownCookies): AdmissionRequest {
  const { proto, host } = wanted.view;
  return {
    head,
    target: wanted.target,
    cookieName: cookieNameOf(wanted, proto),
    cookies,
    ownOrigin: `${proto}://${host}`,
  };
}

/** Whether a relay host says that the request has not reached its program. */
function isRefusedByHost(response: ResponseHead): boolean {
  return response.has(refusalHeader);
}

/** Holds nothing of the request: it is kept for as long as what it was let in by is open. */
function revokerOf(cut: Cut, origin: string | undefined): () => void {
  return () => {
    const answer = refusalAnswer("unauthorized", revokedMessage);
    cut(origin === undefined ? answer : readableBy(origin, answer));
  };
}

/** A host of its own has the name that no other host can set; browsers take that by https alone. */
function cookieNameOf({ prefix }: Wanted, proto: ClientView["proto"]): string {
  return prefix === "" && proto === "https" ? hostCookieName : pathCookieName;
}
