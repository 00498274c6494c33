import type { FastifyInstance } from "fastify";
import { SpawnerError } from "../core/errors.ts";
import type { NameMapping } from "../core/names.ts";
import type { Backend } from "../core/resource.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Metrics } from "../lib/metrics.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { StatusHub } from "./status-hub.ts";
import type { UrlConfig } from "./views.ts";

/** What every route needs. */
export interface Room {
  readonly app: FastifyInstance;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly hub: StatusHub;
  readonly streams: OpenStreams;
  readonly names: NameMapping;
  readonly urls: UrlConfig;
}

/** The backend with this id. Rejects with not_found. */
export async function findBackend({ engine, names }: Room, id: string): Promise<Backend> {
  const name = names.nameOf(id);
  const backend = name === undefined ? undefined : await engine.backends.get(name);
  if (backend !== undefined) return backend;
  const given = JSON.stringify(id.length > 80 ? `${id.slice(0, 80)}…` : id);
  throw new SpawnerError("not_found", `There is no backend ${given}: it never was, or its record is gone.`);
}
