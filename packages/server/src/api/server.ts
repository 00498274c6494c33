import type { AddressInfo } from "node:net";
import type { SpawnRequest, SpawnResponse } from "@spawner/client";
import { ConnectionTokenSigner, ConnectionTokenVerifier, type SigningKeys } from "../core/connection-token.ts";
import { nameMapping } from "../core/names.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";
import { InProcessSocket } from "../lib/in-process-socket.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import { pause } from "../lib/pause.ts";
import type { Listening } from "../lib/running.ts";
import { makeApp } from "./app.ts";
import type { Auth } from "./auth.ts";
import { addBackendRoutes } from "./backend-routes.ts";
import { makeConnect } from "./connect.ts";
import { addConnectRoutes } from "./connect-routes.ts";
import { InFlight } from "./in-flight.ts";
import { type BackendLimits, LimitedStore } from "./limited-store.ts";
import { addLogRoutes } from "./log-routes.ts";
import { ApiMetrics } from "./metrics.ts";
import { OpenStreams } from "./open-streams.ts";
import { addServiceRoutes } from "./service-routes.ts";
import { makeSpawn, type SpawnOptions } from "./spawn.ts";
import { addSpawnRoute } from "./spawn-route.ts";
import { StatusHub } from "./status-hub.ts";
import { addStatusRoutes } from "./status-routes.ts";
import { TokensFile } from "./tokens-file.ts";

export interface ApiConfig extends SpawnOptions, BackendLimits {
  host: string;
  /** 0: any. */
  port: number;
  /** Who may use more than what a backend's own clients need. */
  auth: Auth;
  /** Longest body of a request. Default 1 MiB. */
  bodyBytesMax?: number;
  /** Status streams and logs that may be open at once; further ones get 503. Default 10,000. */
  streamsMax?: number;
  /** Host names (without port) that requests may name; others get 403. Default: any. */
  allowedHosts?: readonly string[];
  /**
   * Whether `POST /spawn` takes and answers what 0.1.9 did (unknown fields and nulls), and states are those that 0.1.9 knew.
   * Default false.
   */
  compat?: boolean;
}

export interface ApiDeps {
  engine: Engine;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** What connection tokens are signed with. Default: none, and nobody can be connected. */
  signingKeys?: SigningKeys;
}

export interface Api extends Listening {
  /** A connection from within this process, which costs a tenth of one over loopback. */
  openConnection(): InProcessSocket;
  /** What `POST /spawn` does, for callers in the same process. Rejects with a SpawnerError. */
  spawn(request: SpawnRequest): Promise<SpawnResponse>;
  /**
   * Ends status streams and the waits of `connect`, so that their clients go on with another server, and each connection behind
   * its answer. Resolves when what was asked is answered, at the latest after `mostMs` or when the signal aborts; logs that are
   * followed go on until `close`.
   */
  quiesce(options: { mostMs: number; signal: AbortSignal }): Promise<void>;
}

/** How often to look whether all requests were answered. */
const quiescePollMs = 20;

/** Serves the HTTP API. Rejects where the tokens file cannot be used, or the port is taken. */
export async function run(
  config: ApiConfig,
  { engine, clock, log, metrics, signingKeys = () => [] }: ApiDeps,
): Promise<Api> {
  const { auth, allowedHosts, bodyBytesMax = 1024 * 1024, streamsMax = 10_000 } = config;
  const tokens = auth.kind === "tokens" ? new TokensFile(auth.tokensFile, { clock, log }) : undefined;
  const names = nameMapping(config.servicePrefix);
  const streams = new OpenStreams(streamsMax);
  const counts = new ApiMetrics(metrics, { streams: () => streams.count });
  const documentUrl = `${config.apiServerBase?.replace(/\/$/, "") ?? ""}/openapi.json`;
  const app = await makeApp({ clock, auth, tokens, allowedHosts, documentUrl, log, bodyBytesMax, counts });
  const inFlight = new InFlight();
  inFlight.attach(app);
  const hub = new StatusHub(engine.backends);
  const store = new LimitedStore(engine, config);
  const create = counts.countAccepted((draft) => store.create(draft));
  const spawn = makeSpawn(create, config);

  const { compat = false } = config;
  const deps = { app, engine, clock, metrics, hub, streams, names, urls: config, compat };
  addSpawnRoute(deps, { spawn, compat });
  const now = () => clock.now();
  const signer = new ConnectionTokenSigner(signingKeys, { now });
  const verifier = new ConnectionTokenVerifier(signingKeys, { now });
  const connect = makeConnect({ engine, clock, log, hub, create, signer }, config);
  addConnectRoutes({ ...deps, inFlight, verifier, connect });
  addStatusRoutes(deps);
  addBackendRoutes(deps);
  addLogRoutes(deps);
  addServiceRoutes(deps);

  app.addHook("onClose", async () => {
    hub.close();
    store.close();
  });
  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (error) {
    await app.close();
    throw error;
  }
  const { port } = app.server.address() as AddressInfo;
  return {
    host: config.host,
    port,
    openConnection() {
      const { client, server } = InProcessSocket.pair();
      if (app.server.listening) app.server.emit("connection", server);
      else server.destroy();
      return client;
    },
    spawn: counts.countRefused(spawn),
    async quiesce({ mostMs, signal }) {
      const untilMs = clock.monotonicMs() + mostMs;
      inFlight.end();
      streams.finish();
      const isAnswering = () => inFlight.count > streams.endlessCount && clock.monotonicMs() < untilMs;
      while (isAnswering() && !signal.aborted) await pause(clock, quiescePollMs, signal);
    },
    close: () => app.close(),
  };
}
