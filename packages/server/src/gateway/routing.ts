import { ConnectionTokenVerifier } from "../core/connection-token.ts";
import { makeErrorAnswer } from "../core/error-body.ts";
import { hostNameOf } from "../core/host-names.ts";
import { nameMapping, reservedIds } from "../core/names.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded } from "../core/status.ts";
import type { Answer, Exchange, Plan, RelayProblem, RequestHead, ResponseHead } from "../relay/index.ts";
import { quote, redirect, refuse, unknown } from "./answers.ts";
import { BackendPlans } from "./backend-plans.ts";
import { isForPage } from "./browser-request.ts";
import { allowedOriginOf, readableBy } from "./cors.ts";
import { Directory } from "./directory.ts";
import { type ClientView, ForwardedLines, viewOf } from "./forwarded.ts";
import type { GatewayConfig, GatewayDeps } from "./gateway-config.ts";
import type { GatewayMetrics, ServedBy } from "./metrics.ts";
import { OpenConnections } from "./open-connections.ts";
import { asset, refusalPage } from "./pages.ts";
import { isReachable, Parking, type Wanted } from "./parking.ts";
import { hostOf, idOfHost, parseTarget, pathOf } from "./route.ts";
import { isPublicRoute, planToApi } from "./to-api.ts";

/** What `OPTIONS *` asks for (RFC 9110 9.3.7): nothing in particular. */
const aboutThisServer: Plan = { kind: "answer", answer: { status: 200 } };

/** Where the end of a backend may be what was the matter. */
const upstreamProblems: readonly RelayProblem["kind"][] = ["upstream_failed", "upstream_timeout"];

/**
 * Finds where each request goes, by its host and its path. Of one that is for a backend, in this order:
 *
 * 1. `Routing` finds its id. Where the `Directory` has the backend as reachable, `BackendPlans.forward` admits it and says the way.
 * 2. Else `Parking.resolve` looks for the backend, anew where an attempt has failed, and asks `BackendPlans` by how it is: `ended` of one that is over;
 *    `answer` whether this request is to get something at once (a refusal, a page); `forward` of one that is reachable.
 * 3. Else it waits in the `Directory` until the backend changes, and begins again at 2.
 *
 * `BackendPlans` calls neither of the others. Whatever is answered comes back through `Routing`, which makes a page of it where a
 * browser is to show it. What fails on its way the relay has told by `describe`.
 */
export class Routing {
  readonly #config: GatewayConfig;
  readonly #deps: GatewayDeps;
  readonly #metrics: GatewayMetrics;
  readonly #names;
  readonly #pathPrefix: string;
  readonly #allowedOrigins: ReadonlySet<string>;
  readonly #directory: Directory;
  readonly #parking: Parking;
  readonly #plans: BackendPlans;
  readonly #forwardedToApi = new ForwardedLines();

  constructor(config: GatewayConfig, deps: GatewayDeps, metrics: GatewayMetrics) {
    const { clock, log } = deps;
    this.#config = config;
    this.#deps = deps;
    this.#metrics = metrics;
    this.#names = nameMapping(config.servicePrefix);
    this.#pathPrefix = config.pathPrefix ?? "";
    this.#allowedOrigins = new Set(config.allowedOrigins);
    const open = new OpenConnections();
    metrics.countAdmitted(() => open.count);
    this.#directory = new Directory(deps.engine.backends, {
      clock,
      waitingMax: config.parkedMax,
      onBackend: (backend) => open.onChange(backend),
    });
    this.#plans = new BackendPlans({
      clock,
      open,
      rules: {
        verifier: new ConnectionTokenVerifier(deps.signingKeys ?? (() => []), { now: () => clock.now() }),
        requireToken: config.requireToken ?? false,
        allowedOrigins: this.#allowedOrigins,
      },
      viewOf: (exchange) => this.#viewOf(exchange),
      peek: (name) => this.#directory.peek(name),
      streamOf: (wanted) => this.#streamOf(wanted),
      hasWaitingPage: config.waitingPage ?? true,
      onResponse: (response) => this.#count("backend", response),
    });
    this.#parking = new Parking({
      clock,
      log,
      directory: this.#directory,
      metrics,
      parkedMax: config.parkedMax,
      answer: (exchange, backend, wanted) => this.#plans.answer(exchange, backend, wanted),
      isForAnother: (exchange, backend, wanted) => this.#plans.isForAnother(exchange, backend, wanted),
      ended: (exchange, backend) => this.#plans.ended(exchange, backend),
      forward: (exchange, backend, wanted) => this.#plans.forward(exchange, backend, wanted),
    });
  }

  close(): void {
    this.#directory.close();
  }

  route(exchange: Exchange): Plan | Promise<Plan> {
    const plan = this.#route(exchange);
    return plan instanceof Promise ? plan.then((late) => this.#plan(late, exchange)) : this.#plan(plan, exchange);
  }

  #plan(plan: Plan, exchange: Exchange): Plan {
    return plan.kind === "answer" ? { ...plan, answer: this.#shown(plan.answer, exchange) } : plan;
  }

  /** A backend that ended while a request was under way explains the failure better than the failure does. */
  describe({ kind, message }: RelayProblem, exchange: Exchange | undefined): Answer {
    const plainly = makeErrorAnswer(kind, `${message}.`);
    if (exchange === undefined) return plainly;
    const ended = upstreamProblems.includes(kind) ? this.#endedOf(exchange.head) : undefined;
    return this.#shown(ended === undefined ? plainly : this.#plans.ended(exchange, ended), exchange);
  }

  /** As whoever asked can read it: a page, for a browser that is to show it; with leave, for a page of another origin. */
  #shown(answer: Answer, exchange: Exchange): Answer {
    const { head } = exchange;
    const isPage = (this.#config.waitingPage ?? true) && isForPage(head);
    const told = isPage ? refusalPage(answer, this.#viewOf(exchange)) : answer;
    const origin = allowedOriginOf(head, this.#allowedOrigins);
    return origin === undefined ? told : readableBy(origin, told);
  }

  /** The backend that a request names, if it is over. */
  #endedOf(head: RequestHead): Backend | undefined {
    const id = this.#idOf(head);
    const name = id === undefined ? undefined : this.#names.nameOf(id);
    const backend = name === undefined ? undefined : this.#directory.peek(name);
    return backend !== undefined && hasEnded(backend) ? backend : undefined;
  }

  /** The id that a request names. */
  #idOf(head: RequestHead): string | undefined {
    const onHost = this.#idOfHost(hostOf(head));
    if (onHost !== undefined) return onHost;
    const route = parseTarget(head.target, this.#pathPrefix);
    return route.kind === "segment" ? route.id : undefined;
  }

  #idOfHost(host: string): string | undefined {
    const { hostDomain, publicHostName } = this.#config;
    const hostName = hostNameOf(host);
    return hostDomain === undefined || hostName === publicHostName ? undefined : idOfHost(hostName, hostDomain);
  }

  #route(exchange: Exchange): Plan | Promise<Plan> {
    const { head } = exchange;
    const { allowedHosts, hostDomain } = this.#config;
    const view = this.#viewOf(exchange);
    const id = hostDomain === undefined ? undefined : this.#idOfHost(view.host);
    const host = view.askedHost;
    if (id === undefined && allowedHosts?.includes(hostNameOf(host)) === false) {
      return refuse("forbidden_host", `Host ${quote(host)} is not served here; ${allowedHosts.join(", ")} are.`);
    }
    if (head.target === "*" && head.method === "OPTIONS") return aboutThisServer;
    return id === undefined ? this.#onPath(exchange, view) : this.#onHost(exchange, { id, view });
  }

  /** Of a host that is one backend's. */
  #onHost(exchange: Exchange, { id, view }: { id: string; view: ClientView }): Plan | Promise<Plan> {
    const target = pathOf(exchange.head.target);
    if (target === undefined) return malformed(exchange.head);
    const name = this.#names.nameOf(id);
    if (name === undefined) return unknown(id);
    if (target === ownStream || target.startsWith(`${ownStream}?`)) {
      return this.#toApi(exchange, { target: streamPath(id), view, isOfHost: true });
    }
    if (target.startsWith("/_spawner/")) return own(exchange.head, target.slice("/_spawner".length));
    return this.#backend(exchange, { id, name, target, prefix: "", view });
  }

  #onPath(exchange: Exchange, view: ClientView): Plan | Promise<Plan> {
    const { head } = exchange;
    const route = parseTarget(head.target, this.#pathPrefix);
    switch (route.kind) {
      case "malformed":
        return malformed(head);
      case "root":
        return this.#root(head);
      case "unslashed":
        if (route.id === "healthz") return { kind: "answer", answer: { status: 200, body: "{}\n" } };
        if (this.#names.nameOf(route.id) === undefined && route.id !== "api") return unknown(route.id);
        return redirect(`${view.prefix}${this.#prefixOf(route.id)}/${route.query}`);
      case "segment":
        return this.#segment(exchange, route, view);
      case "elsewhere":
        return unknown(route.id);
      default:
        return route satisfies never;
    }
  }

  #root(head: RequestHead): Plan | Promise<Plan> {
    const { root } = this.#deps;
    if (root === undefined)
      return refuse("not_found", `There is nothing at /: the path of a backend is ${this.#pathPrefix}/<id>/.`);
    return root(head).then((answer) => ({ kind: "answer", answer }));
  }

  #segment(exchange: Exchange, { id, target }: { id: string; target: string }, view: ClientView): Plan | Promise<Plan> {
    if (id === "api") return this.#toApi(exchange, { target, view, isOfHost: false });
    if (id === "_spawner") return own(exchange.head, target);
    const name = this.#names.nameOf(id);
    if (name === undefined) return unknown(id);
    return this.#backend(exchange, { id, name, target, prefix: `${this.#pathPrefix}/${id}`, view });
  }

  #backend(exchange: Exchange, wanted: Wanted): Plan | Promise<Plan> {
    const known = exchange.previousFailure === undefined ? this.#directory.peek(wanted.name) : undefined;
    const preflight = this.#allowedOrigins.size === 0 ? undefined : this.#plans.preflight(exchange, known);
    if (preflight !== undefined) return { kind: "answer", answer: preflight };
    if (known !== undefined && isReachable(known)) {
      const plan = this.#plans.forward(exchange, known, wanted);
      if (plan.kind !== "answer" || !this.#plans.isForAnother(exchange, known, wanted)) return plan;
    }
    return this.#parking.resolve(exchange, wanted);
  }

  /** `isOfHost`: the host that was asked is a backend's, and the api need not know it. */
  async #toApi(
    exchange: Exchange,
    { target, view, isOfHost }: { target: string; view: ClientView; isOfHost: boolean },
  ): Promise<Plan> {
    const upstream = await this.#deps.api;
    if (upstream === undefined) return unknown("api");
    if (this.#config.publicApiOnly && !isPublicRoute(target)) {
      return refuse("not_found", "This part of the API is not served here: it has an address of its own.");
    }
    return planToApi(exchange, {
      upstream,
      prefix: isOfHost ? "" : "/api",
      target,
      view,
      forwarded: this.#forwardedToApi,
      allowedOrigins: this.#allowedOrigins,
      ...(isOfHost ? { host: `${upstream.host}:${upstream.port}` } : {}),
      onResponse: (response) => this.#count("api", response),
    });
  }

  /** Of the same origin as the backend's pages, so that no other one has to be allowed. */
  #streamOf({ id, prefix, view }: Wanted): string | undefined {
    if (this.#deps.api === undefined) return undefined;
    return `${view.prefix}${prefix === "" ? ownStream : `/api${streamPath(id)}`}`;
  }

  /** What is the gateway's own is beside the prefix. */
  #prefixOf(id: string): string {
    return reservedIds.has(id) ? `/${id}` : `${this.#pathPrefix}/${id}`;
  }

  #viewOf({ head, clientAddress }: Exchange): ClientView {
    const { forwardedProto: proto, trustedProxies } = this.#config;
    return viewOf(head, { clientAddress, proto, trustedProxies });
  }

  /** An interim response is not the answer yet; 101 is. */
  #count(by: ServedBy, { status, isInterim }: ResponseHead): void {
    if (!isInterim || status === 101) this.#metrics.answered(by, status);
  }
}

/** Where the states of the backend are that a host is of. */
const ownStream = "/_spawner/status/stream";

function streamPath(id: string): string {
  return `/backend/${id}/status/stream`;
}

/** A file of the gateway's own. */
function own(head: RequestHead, path: string): Plan {
  return { kind: "answer", answer: asset(path, head.method) };
}

function malformed({ target }: RequestHead): Plan {
  return refuse("invalid_request", `The target must be a path that begins with "/"; ${quote(target)} was given.`);
}
