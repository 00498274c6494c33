import type { FastifyInstance } from "fastify";
import type { NameMapping } from "../core/names.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Metrics } from "../lib/metrics.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { StatusHub } from "./status-hub.ts";
import type { UrlConfig } from "./views.ts";

/** What every route needs. */
export interface RouteDeps {
  readonly app: FastifyInstance;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly hub: StatusHub;
  readonly streams: OpenStreams;
  readonly names: NameMapping;
  readonly urls: UrlConfig;
  /** Whether clients are told of the states that 0.1.9 knew alone. */
  readonly compat: boolean;
}
