import type { Exchange, Plan, ResponseHead, Upstream } from "../relay/index.ts";
import { allowedOriginOf, corsFields, isPreflight, preflightAnswer } from "./cors.ts";
import type { ClientView, ForwardedLines } from "./forwarded.ts";
import { backwardHead, forwardHead } from "./heads.ts";
import { passesUpgrade } from "./upgrades.ts";

/** What those may ask who know an id alone, and what is said of the API itself; as they stand, with nothing encoded. */
const publicRoute = /^\/(?:backend\/[a-z0-9-]+\/(?:status|status\/stream|ready)|healthz|readyz|openapi\.json)(?:\?|$)/;

export function isPublicRoute(target: string): boolean {
  return publicRoute.test(target);
}

export interface ToApi {
  readonly upstream: Upstream;
  /** What was taken off the path. */
  readonly prefix: string;
  readonly target: string;
  readonly view: ClientView;
  readonly forwarded: ForwardedLines;
  readonly allowedOrigins: ReadonlySet<string>;
  /** The host to name. Default: the one that was asked. */
  readonly host?: string;
  readonly onResponse: (response: ResponseHead) => void;
}

/**
 * The way to the api. Pages of allowed origins may read its public routes, for which no token is asked; the control surface
 * is for servers.
 */
export function planToApi(exchange: Exchange, to: ToApi): Plan {
  const { upstream, prefix, target, view, forwarded, allowedOrigins, host, onResponse } = to;
  const { head } = exchange;
  const isShared = allowedOrigins.size > 0 && isPublicRoute(target);
  const origin = isShared ? allowedOriginOf(head, allowedOrigins) : undefined;
  if (origin !== undefined && isPreflight(head)) return { kind: "answer", answer: preflightAnswer(head, origin) };
  return {
    kind: "forward",
    upstream,
    // Anybody may ask it something: those who do nothing else are not to keep its callers out. It has as many as clients have.
    isUnlimited: true,
    passesUpgrade: passesUpgrade(head),
    head: () =>
      forwardHead(head, {
        target,
        view,
        told: [forwarded.of(view, prefix)],
        ...(host === undefined ? {} : { host }),
      }),
    onResponseHead: (response) => {
      onResponse(response);
      const isChanged = isShared && !response.isInterim;
      // Its paths are its clients' own already.
      return isChanged ? backwardHead(response, { prefix: "", hosts: [] }, corsFields(response, origin)) : undefined;
    },
  };
}
