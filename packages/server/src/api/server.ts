import type { AddressInfo } from "node:net";
import swagger from "@fastify/swagger";
import type { SpawnRequest, SpawnResponse } from "@spawner/client";
import { fastify } from "fastify";
import { deadlines } from "../core/deadlines.ts";
import { isSpawnerError } from "../core/errors.ts";
import { makeId, nameMapping } from "../core/names.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Listening } from "../lib/running.ts";
import { addBackendRoutes } from "./backend-routes.ts";
import { answerClientError, answerErrorsOf, sendError } from "./errors.ts";
import { onlyHosts } from "./host-names.ts";
import { addServiceRoutes } from "./service-routes.ts";
import { addSpawnRoute } from "./spawn-route.ts";
import { StatusHub } from "./status-hub.ts";
import { addStatusRoutes } from "./status-routes.ts";
import { validatorCompiler } from "./validator.ts";
import { type SpecDefaults, spawnResponse, specOfRequest, type UrlConfig } from "./views.ts";

export interface ApiConfig extends UrlConfig {
  host: string;
  /** 0: any. */
  port: number;
  /** Resource names are this and the id. */
  servicePrefix: string;
  /** For what requests leave out. */
  defaults?: SpecDefaults;
  /** Longest body of a request. Default 1 MiB. */
  bodyBytesMax?: number;
  /** Host names (without port) that requests may name; others get 403. Default: any. */
  allowedHosts?: readonly string[];
}

export interface ApiDeps {
  engine: Engine;
  clock: Clock;
  log: Log;
}

export interface Api extends Listening {
  /** What `POST /spawn` does, for callers in the same process. Rejects with a SpawnerError. */
  spawn(request: SpawnRequest): Promise<SpawnResponse>;
}

/** How often a new id is tried where one is taken. */
const idAttempts = 5;

/** Serves the HTTP API. */
export async function run(config: ApiConfig, { engine, clock, log }: ApiDeps): Promise<Api> {
  const names = nameMapping(config.servicePrefix);
  const bodyBytesMax = config.bodyBytesMax ?? 1024 * 1024;
  const hub = new StatusHub(engine.backends);
  const app = fastify({
    bodyLimit: bodyBytesMax,
    forceCloseConnections: true,
    requestTimeout: deadlines.requestBodyMs,
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, _, reply) => sendError(reply, error, { log, bodyBytesMax }),
    routerOptions: { maxParamLength: 200 },
    // Node takes the longer of both limits for the whole request.
    http: { headersTimeout: deadlines.requestBodyMs, connectionsCheckingInterval: 1_000 },
  });
  app.setValidatorCompiler(validatorCompiler);
  answerErrorsOf(app, { log, bodyBytesMax });
  app.removeContentTypeParser("text/plain");
  if (config.allowedHosts !== undefined) app.addHook("onRequest", onlyHosts(config.allowedHosts));
  await app.register(swagger, {
    openapi: { openapi: "3.1.0", info: { title: "Spawner", version: "1", description: "Session-lived backends." } },
  });

  const spawn = async (request: SpawnRequest): Promise<SpawnResponse> => {
    const spec = specOfRequest(request, config.defaults ?? {});
    for (let attempt = 1; ; attempt++) {
      const id = makeId();
      try {
        await engine.backends.create({ name: `${config.servicePrefix}${id}`, spec });
        return spawnResponse(id, config);
      } catch (error) {
        if (!isSpawnerError(error, "already_exists") || attempt === idAttempts) throw error;
      }
    }
  };

  const room = { app, engine, clock, hub, names, urls: config };
  addSpawnRoute(room, spawn);
  addStatusRoutes(room);
  addBackendRoutes(room);
  addServiceRoutes(room);

  app.addHook("onClose", async () => hub.close());
  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (error) {
    await app.close();
    throw error;
  }
  const { port } = app.server.address() as AddressInfo;
  return { host: config.host, port, spawn, close: () => app.close() };
}
