import type { BlockList } from "node:net";
import { addressOf } from "../core/address.ts";
import { ConnectionTokenVerifier, type SigningKeys } from "../core/connection-token.ts";
import { makeErrorAnswer } from "../core/error-body.ts";
import { hostNameOf } from "../core/host-names.ts";
import { nameMapping, reservedIds } from "../core/names.ts";
import { refusalHeader } from "../core/relay-host.ts";
import type { Backend } from "../core/resource.ts";
import { hasEnded } from "../core/status.ts";
import { identityOf } from "../core/workload.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import type { Listening } from "../lib/running.ts";
import {
  type Answer,
  type DrainOptions,
  type Exchange,
  type Plan,
  Relay,
  type RelayLimits,
  type RelayProblem,
  type RequestHead,
  type ResponseHead,
} from "../relay/index.ts";
import { type Admission, type AdmissionRules, type Admitted, admit } from "./admission.ts";
import { endedAnswer, quote, redirect, refuse, unknown } from "./answers.ts";
import { cookieOf, isEmbedded, isNavigation, pathCookieName, withoutToken } from "./connection-credential.ts";
import { Directory } from "./directory.ts";
import { type ClientView, viewOf } from "./forwarded.ts";
import { GatewayMetrics, type ServedBy } from "./metrics.ts";
import { isReachable, Parking } from "./parking.ts";
import { backwardHead, forwardHead } from "./path-mode.ts";
import { hostOf, parseTarget } from "./route.ts";

export interface GatewayConfig {
  host: string;
  /** 0: any. */
  port: number;
  /** Resource names are this and the id. */
  servicePrefix: string;
  /** Backends are at this and `/<id>/`: `/p`, as 0.1.9's routes had it. Default: at `/<id>/`. */
  pathPrefix?: string;
  /** Host names (without port) that requests may name; others get 403. Default: any. */
  allowedHosts?: readonly string[];
  /** Proxies in front that are believed in what they say of their clients. Default: none. */
  trustedProxies?: BlockList;
  /** What clients speak, unless such a proxy says otherwise. */
  forwardedProto: "http" | "https";
  /** How many requests may wait for backends to be ready. */
  parkedMax: number;
  /** Whether every backend asks for a connection token. Default: those alone that say so. */
  requireToken?: boolean;
  /** Origins, beside the gateway's own, whose pages may connect by the browser's cookie. Default: none. */
  allowedOrigins?: readonly string[];
  /** What clients and backends may take of time, bytes and connections. Default: `defaultLimits`. */
  limits?: Partial<RelayLimits>;
}

export interface GatewayDeps {
  engine: Engine;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** Where `/api/…` leads, once that serves. Default: nowhere. */
  api?: Promise<{ host: string; port: number }>;
  /** What connection tokens are judged by. Default: none, and nobody has a good one. */
  signingKeys?: SigningKeys;
  /** Answers `/`. Default: there is nothing there. */
  root?: (head: RequestHead) => Promise<Answer>;
}

export interface RunningGateway extends Listening {
  /** Takes no more connections; resolves when what was asked is answered, at the latest after `mostMs`. */
  quiesce(options: { mostMs: number }): Promise<void>;
  /** Takes no more connections, and waits until all are over; those left after `mostMs` are closed over `spreadMs`. */
  drain(options: DrainOptions): Promise<void>;
}

/** Sends the requests of users to the relay hosts of their backends. */
export async function run(config: GatewayConfig, deps: GatewayDeps): Promise<RunningGateway> {
  const { clock } = deps;
  const metrics = new GatewayMetrics(deps.metrics, { traffic: () => relay.traffic() });
  const gateway = new Gateway(config, deps, metrics);
  const relay: Relay = new Relay({
    clock,
    ...(config.limits === undefined ? {} : { limits: config.limits }),
    onRequest: (exchange) => gateway.route(exchange),
    describeProblem: (problem, head) => gateway.describe(problem, head),
    onAnswered: (status) => metrics.answered("gateway", status),
  });
  try {
    const { host, port } = await relay.listen(config);
    return {
      host,
      port,
      quiesce: (options) => relay.quiesce(options),
      drain: (options) => relay.drain(options),
      async close() {
        gateway.close();
        await relay.close();
      },
    };
  } catch (error) {
    gateway.close();
    throw error;
  }
}

/** What `OPTIONS *` asks for (RFC 9110 9.3.7): nothing in particular. */
const aboutThisServer: Plan = { kind: "answer", answer: { status: 200 } };

/** Where the end of a backend may be what was the matter. */
const upstreamProblems: readonly RelayProblem["kind"][] = ["upstream_failed", "upstream_timeout"];

class Gateway {
  readonly #config: GatewayConfig;
  readonly #deps: GatewayDeps;
  readonly #metrics: GatewayMetrics;
  readonly #names;
  readonly #pathPrefix: string;
  readonly #admission: AdmissionRules;
  readonly #directory: Directory;
  readonly #parking: Parking;

  constructor(config: GatewayConfig, deps: GatewayDeps, metrics: GatewayMetrics) {
    this.#config = config;
    this.#deps = deps;
    this.#metrics = metrics;
    this.#names = nameMapping(config.servicePrefix);
    this.#pathPrefix = config.pathPrefix ?? "";
    this.#admission = {
      verifier: new ConnectionTokenVerifier(deps.signingKeys ?? (() => []), { now: () => deps.clock.now() }),
      requireToken: config.requireToken ?? false,
      allowedOrigins: new Set(config.allowedOrigins),
    };
    this.#directory = new Directory(deps.engine.backends, { clock: deps.clock, waitingMax: config.parkedMax });
    this.#parking = new Parking({
      clock: deps.clock,
      log: deps.log,
      directory: this.#directory,
      metrics,
      parkedMax: config.parkedMax,
      refusal: (exchange, backend, wanted) => this.#refusal(this.#admit(exchange, backend, wanted)),
      forward: (exchange, backend, wanted) => this.#toBackend(exchange, backend, wanted),
    });
  }

  close(): void {
    this.#directory.close();
  }

  route(exchange: Exchange): Plan | Promise<Plan> {
    const { head } = exchange;
    const host = hostOf(head);
    const { allowedHosts } = this.#config;
    if (allowedHosts !== undefined && !allowedHosts.includes(hostNameOf(host))) {
      return refuse("forbidden_host", `Host ${quote(host)} is not served here; ${allowedHosts.join(", ")} are.`);
    }
    if (head.target === "*" && head.method === "OPTIONS") return aboutThisServer;
    const route = parseTarget(head.target, this.#pathPrefix);
    switch (route.kind) {
      case "malformed":
        return refuse(
          "invalid_request",
          `The target must be a path that begins with "/"; ${quote(head.target)} was given.`,
        );
      case "root":
        return this.#root(head);
      case "unslashed":
        if (route.id === "healthz") return { kind: "answer", answer: { status: 200, body: "{}\n" } };
        if (this.#names.nameOf(route.id) === undefined && route.id !== "api") return unknown(route.id);
        return redirect(`${this.#viewOf(exchange).prefix}${this.#pathOf(route.id)}/${route.query}`);
      case "segment":
        return this.#segment(exchange, route);
      case "elsewhere":
        return unknown(route.id);
      default:
        return route satisfies never;
    }
  }

  /** A backend that ended while a request was under way explains the failure better than the failure does. */
  describe({ kind, message }: RelayProblem, head: RequestHead | undefined): Answer {
    const route =
      upstreamProblems.includes(kind) && head !== undefined ? parseTarget(head.target, this.#pathPrefix) : undefined;
    const name = route?.kind === "segment" ? this.#names.nameOf(route.id) : undefined;
    const backend = name === undefined ? undefined : this.#directory.peek(name);
    return backend !== undefined && hasEnded(backend) ? endedAnswer(backend) : makeErrorAnswer(kind, `${message}.`);
  }

  #root(head: RequestHead): Plan | Promise<Plan> {
    const { root } = this.#deps;
    if (root === undefined)
      return refuse("not_found", `There is nothing at /: the path of a backend is ${this.#pathPrefix}/<id>/.`);
    return root(head).then((answer) => ({ kind: "answer", answer }));
  }

  #segment(exchange: Exchange, { id, target }: { id: string; target: string }): Plan | Promise<Plan> {
    if (id === "api") return this.#toApi(exchange, target);
    const name = this.#names.nameOf(id);
    if (name === undefined) return unknown(id);
    const known = exchange.previousFailure === undefined ? this.#directory.peek(name) : undefined;
    if (known !== undefined && isReachable(known)) return this.#toBackend(exchange, known, { id, target });
    return this.#parking.resolve(exchange, { id, name, target });
  }

  async #toApi(exchange: Exchange, target: string): Promise<Plan> {
    const upstream = await this.#deps.api;
    if (upstream === undefined) return unknown("api");
    const view = this.#viewOf(exchange);
    return {
      kind: "forward",
      upstream,
      head: () => forwardHead(exchange.head, { prefix: "/api", target, view }),
      onResponseHead: (response) => {
        this.#count("api", response);
        return response.raw;
      },
    };
  }

  #toBackend(exchange: Exchange, backend: Backend, { id, target }: { id: string; target: string }): Plan {
    const { head } = exchange;
    const address = addressOf(backend);
    if (address === undefined) throw new Error("a reachable backend has an address");
    const admission = this.#admit(exchange, backend, { target });
    const refusal = this.#refusal(admission);
    if (refusal !== undefined) return refusal;
    const identity = identityOf(backend);
    const prefix = this.#pathOf(id);
    const view = this.#viewOf(exchange);
    const isShown = admission.kind === "admitted" && admission.credential.by === "query" && isNavigation(head);
    if (isShown) return this.#keepToken(exchange, admission, { prefix: `${view.prefix}${prefix}`, target });
    const place = { prefix: `${view.prefix}${prefix}`, hosts: [view.host, hostOf(head)] };
    return {
      kind: "forward",
      upstream: {
        host: address.ip,
        port: address.port,
        key: `${identity} ${address.ip} ${address.port}`,
        takesHalfClose: true,
      },
      head: (isFirst) => forwardHead(head, { prefix, target, view, admission, ...(isFirst ? { identity } : {}) }),
      onResponseHead: (response) => {
        this.#count("backend", response);
        return backwardHead(response, place);
      },
      isRefusal: (response) => response.header(refusalHeader) !== undefined,
    };
  }

  #admit(exchange: Exchange, backend: Backend, { target }: { target: string }): Admission {
    const { head } = exchange;
    const { proto, host } = this.#viewOf(exchange);
    return admit(
      { head, target, cookieName: pathCookieName, ownOrigin: `${proto}://${host}` },
      backend,
      this.#admission,
    );
  }

  #refusal(admission: Admission): Plan | undefined {
    return admission.kind === "refused" ? refuse(admission.code, admission.message) : undefined;
  }

  /** To the same page, without the token in its URL: whoever is shown that URL, or gets it as a Referer, is not let in by it. */
  #keepToken(
    exchange: Exchange,
    { token, credential }: Admitted,
    { prefix, target }: { prefix: string; target: string },
  ): Plan {
    const maxAgeSeconds = Math.max(0, Math.floor((token.expiresAtMs - this.#deps.clock.now().getTime()) / 1000));
    const cookie = cookieOf(credential.text, {
      name: pathCookieName,
      path: `${prefix}/`,
      maxAgeSeconds,
      isSecure: this.#viewOf(exchange).proto === "https",
      isEmbedded: isEmbedded(exchange.head),
    });
    const headers = {
      location: `${prefix}${withoutToken(target)}`,
      "set-cookie": cookie,
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    };
    return { kind: "answer", answer: { status: 302, headers } };
  }

  /** What is the gateway's own is beside the prefix. */
  #pathOf(id: string): string {
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
