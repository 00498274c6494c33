import { run as runApi } from "../api/index.ts";
import { run as runController } from "../controller/index.ts";
import { defaultServicePrefix } from "../core/names.ts";
import type { Engine } from "../engine/index.ts";
import { type CommandTemplate, type OpenRelayHost, ProcessEngine } from "../engine/process/index.ts";
import { run as runGateway } from "../gateway/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Listening } from "../lib/running.ts";
import { BackendRelayHost } from "../sidecar/index.ts";
import { run as runSweeper } from "../sweeper/index.ts";
import { answerVisitor } from "./visitor.ts";

export interface EmbeddedConfig {
  /** Where the gateway listens. Port 0: any. */
  host: string;
  port: number;
  /** Holds the database and the programs' output. */
  stateDir: string;
  /** What every backend runs. */
  template: CommandTemplate;
  gracePeriodSeconds: number;
  /** Host names that requests may name. */
  allowedHosts: readonly string[];
  backendsMax: number;
  parkedMax: number;
  retainSeconds: number;
  recordsMax: number;
}

export interface Embedded extends Listening {
  /** `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly engine: Engine;
  /** Ends every backend; resolves when no program is left. To be called before `close` where none is to live on. */
  drain(options: { graceSecondsMax: number }): Promise<void>;
}

const loopback = "127.0.0.1";
/** How many backends the controller works on at once. Starting a process is work for one core. */
const concurrency = 8;

/** All roles in one process, over local child processes. */
export async function run(config: EmbeddedConfig, deps: { clock: Clock; log: Log }): Promise<Embedded> {
  const { clock, log } = deps;
  const { stateDir, backendsMax, parkedMax, retainSeconds, recordsMax, allowedHosts, gracePeriodSeconds } = config;
  const servicePrefix = defaultServicePrefix;
  await using started = new AsyncDisposableStack();

  const openRelayHost: OpenRelayHost = (options) => openBackendRelayHost(options, clock);
  const templates = new Map([["default", config.template]]);
  const engine = await ProcessEngine.open({ stateDir, templates, backendsMax, openRelayHost, clock });
  started.defer(() => engine.close());

  let api: Awaited<ReturnType<typeof runApi>> | undefined;
  const gateway = await runGateway(
    { host: config.host, port: config.port, servicePrefix, allowedHosts, parkedMax },
    {
      engine,
      clock,
      log,
      api: () => api,
      root: async (head) => answerVisitor(head, async () => requireApi(api).spawn({})),
    },
  );
  started.defer(() => gateway.close());

  const url = `http://${config.host}:${gateway.port}`;
  api = await runApi(
    {
      host: loopback,
      port: 0,
      servicePrefix,
      apiServerBase: `${url}/api`,
      urlTemplate: `${url}/{}/`,
      defaults: { gracePeriodSeconds },
      allowedHosts,
    },
    { engine, clock, log },
  );
  started.defer(() => requireApi(api).close());

  const controller = runController({ retainSeconds, recordsMax, concurrency }, { engine, clock, log });
  started.defer(() => controller.close());
  const sweeper = runSweeper({}, { engine, clock, log });
  started.defer(() => sweeper.close());

  const running = started.move();
  return {
    host: config.host,
    port: gateway.port,
    url,
    engine,
    drain: (options) => controller.drain(options),
    close: () => running.disposeAsync(),
  };
}

async function openBackendRelayHost(options: Parameters<OpenRelayHost>[0], clock: Clock) {
  const relayHost = await BackendRelayHost.open({ ...options, host: loopback }, { clock });
  return {
    port: relayHost.port,
    control: relayHost,
    programListens: (upstream: { host: string; port: number }) => relayHost.programListens(upstream),
    end: () => relayHost.end(),
    close: () => relayHost.close(),
  };
}

function requireApi<Api>(api: Api | undefined): Api {
  if (api === undefined) throw new Error("the api has not started yet");
  return api;
}
