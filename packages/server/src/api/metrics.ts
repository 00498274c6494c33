import type { ErrorCode, SpawnRequest, SpawnResponse } from "@spawner/client";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { httpStatusOf, isSpawnerError } from "../core/errors.ts";
import type { Counter, Metrics, Tally } from "../lib/metrics.ts";
import type { CreateBackend } from "./limited-store.ts";

type Spawn = (request: SpawnRequest) => Promise<SpawnResponse>;

/** Stands for every path that is no route, and for what is no request. */
const noRoute = "none";
/** By which backends are asked for. */
const spawningRoutes = ["POST /spawn", "POST /connect"];
/** What a request for a backend can be refused with; anything else is a fault of ours, `internal`. */
const refusals = [
  "invalid_request",
  "unauthorized",
  "forbidden_host",
  "forbidden_role",
  "body_too_large",
  "unsupported_media_type",
  "not_implemented",
  "version_not_supported",
  "already_exists",
  "conflict",
  "backend_ended",
  "too_many_backends",
  "unavailable",
  "internal",
] as const satisfies readonly ErrorCode[];
/** Of what is answered; any other would be `other`. */
const statuses = [...new Set([200, 202, 204, 302, ...Object.values(httpStatusOf)])].sort((a, b) => a - b).map(String);
const otherStatus = "other";

/** What the API counts. Routes are counted by their patterns; what a client may choose is in no label. */
export class ApiMetrics {
  readonly #metrics: Metrics;
  readonly #accepted: Tally;
  readonly #refused: Counter<{ readonly code: typeof refusals }>;
  /** Of the answers that there were, by route and status: finding a series costs more than counting does. */
  readonly #tallies = new Map<string, Tally>();
  #requests: Counter<{ readonly route: readonly string[]; readonly code: readonly string[] }> | undefined;

  constructor(metrics: Metrics, { streams }: { streams: () => number }) {
    this.#metrics = metrics;
    this.#accepted = metrics
      .counter({ name: "spawner_spawn_requests_accepted_total", help: "Backends that were asked for and recorded." })
      .with({});
    this.#refused = metrics.counter({
      name: "spawner_spawn_requests_refused_total",
      help: "Requests for backends that were refused, by the code of the error.",
      labels: { code: refusals },
    });
    const help = "Status streams, watches of backends and logs that are open.";
    metrics.gauge({ name: "spawner_api_open_streams", help }, streams);
  }

  /** Counts every answer of `app`. To be called before it has routes. */
  attach(app: FastifyInstance): void {
    const routes = new Set([noRoute]);
    app.addHook("onRoute", ({ method, url }) => {
      if (method !== "HEAD") routes.add(`${method} ${url}`);
    });
    app.addHook("onReady", async () => {
      this.#requests = this.#metrics.counter({
        name: "spawner_api_requests_total",
        help: "Requests that were answered, by the pattern of the route and the status.",
        labels: { route: [...routes], code: [...statuses, otherStatus] },
        sparse: true,
      });
    });
    app.addHook("onSend", (request, reply, _, done) => {
      this.#answered(routeOf(request), reply.statusCode);
      done();
    });
  }

  /** An answer that did not come to any route or hook. */
  answeredUnrouted(status: number): void {
    this.#answered(noRoute, status);
  }

  /** An error is the answer to a request. */
  refused(request: FastifyRequest, code: ErrorCode): void {
    if (spawningRoutes.includes(routeOf(request))) this.#spawnRefused(code);
  }

  /** `create`, with what it has created counted. */
  countAccepted(create: CreateBackend): CreateBackend {
    return async (draft) => {
      const backend = await create(draft);
      this.#accepted.add();
      return backend;
    };
  }

  /** `spawn`, with what it refuses counted: for callers whom no route answers. */
  countRefused(spawn: Spawn): Spawn {
    return async (request) => {
      try {
        return await spawn(request);
      } catch (error) {
        this.#spawnRefused(isSpawnerError(error) ? error.code : "internal");
        throw error;
      }
    };
  }

  #spawnRefused(code: ErrorCode): void {
    this.#refused.with({ code: refusals.find((refusal) => refusal === code) ?? "internal" }).add();
  }

  #answered(route: string, status: number): void {
    const name = `${status} ${route}`;
    const tally = this.#tallies.get(name) ?? this.#tallyOf(route, status);
    if (tally !== undefined) this.#tallies.set(name, tally);
    tally?.add();
  }

  #tallyOf(route: string, status: number): Tally | undefined {
    const code = String(status);
    return this.#requests?.with({ route, code: statuses.includes(code) ? code : otherStatus });
  }
}

/** A HEAD is counted as the GET that it is about. */
function routeOf({ is404, method, routeOptions }: FastifyRequest): string {
  if (is404 || routeOptions.url === undefined) return noRoute;
  return `${method === "HEAD" ? "GET" : method} ${routeOptions.url}`;
}
