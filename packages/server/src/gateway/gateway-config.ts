import type { BlockList } from "node:net";
import type { SigningKeys } from "../core/connection-token.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import type { Listening } from "../lib/running.ts";
import type { Answer, DrainOptions, RelayLimits, RequestHead, Upstream } from "../relay/index.ts";

export interface GatewayConfig {
  host: string;
  /** 0: any. */
  port: number;
  /** Resource names are this and the id. */
  servicePrefix: string;
  /** Backends are at this and `/<id>/`: `/p`, as 0.1.9's routes had it. Default: at `/<id>/`. */
  pathPrefix?: string;
  /**
   * Each backend is also at a host of its own below this domain, `<id>.play.example.com`, as an origin of its own in browsers.
   * Default: none is.
   */
  hostDomain?: string;
  /** A host name below that domain that is the gateway's own, and no backend's. */
  publicHostName?: string;
  /** Host names (without port) that requests may name, beside those of backends; others get 403. Default: any. */
  allowedHosts?: readonly string[];
  /** Proxies in front that are believed in what they say of their clients. Default: none. */
  trustedProxies?: BlockList;
  /** What clients speak, unless such a proxy says otherwise. */
  forwardedProto: "http" | "https";
  /** How many requests may wait for backends to be ready. */
  parkedMax: number;
  /** Whether every backend asks for a connection token. Default: those alone that say so. */
  requireToken?: boolean;
  /**
   * Origins, beside the gateway's own, whose pages may connect by the browser's cookie, and read what backends that ask for
   * tokens and the public routes of the API answer (CORS). Default: none.
   */
  allowedOrigins?: readonly string[];
  /** Whether `/api/…` has the public routes alone: the state of a backend, by its id. Default: all. */
  publicApiOnly?: boolean;
  /** Whether browsers are shown a page while a backend starts, and when it is over. Default: they are. */
  waitingPage?: boolean;
  /** What clients and backends may take of time, bytes and connections. Default: `defaultLimits`. */
  limits?: Partial<RelayLimits>;
}

export interface GatewayDeps {
  engine: Pick<Engine, "backends">;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** Where `/api/…` leads, once that serves. Default: nowhere. */
  api?: Promise<Upstream>;
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
