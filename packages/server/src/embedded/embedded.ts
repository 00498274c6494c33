import manifest from "../../package.json" with { type: "json" };
import { type Api, type Auth, choiceOf, run as runApi } from "../api/index.ts";
import { run as runController } from "../controller/index.ts";
import { SpawnerError } from "../core/errors.ts";
import { defaultServicePrefix } from "../core/names.ts";
import { type Engine, measured } from "../engine/index.ts";
import { type OpenRelayHost, ProcessEngine } from "../engine/process/index.ts";
import { type GatewayConfig, run as runGateway } from "../gateway/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { makeProcessMetrics } from "../lib/process-metrics.ts";
import type { Listening } from "../lib/running.ts";
import type { Upstream } from "../relay/index.ts";
import { BackendRelayHost } from "../sidecar/index.ts";
import { run as runSweeper } from "../sweeper/index.ts";
import { openTemplates, type Programs } from "./open-templates.ts";
import { ProgramControl } from "./program-control.ts";
import { SigningKeysFile } from "./signing-keys-file.ts";
import { answerVisitor } from "./visitor.ts";

/** What the gateway takes as it is. */
type GatewayOptions = Pick<
  GatewayConfig,
  "limits" | "trustedProxies" | "hostDomain" | "requireToken" | "allowedOrigins" | "waitingPage"
>;

export interface EmbeddedConfig extends GatewayOptions, Programs {
  /** Where the gateway listens. Port 0: any. */
  host: string;
  port: number;
  /** Holds the database and the programs' output. */
  stateDir: string;
  gracePeriodSeconds: number;
  /** Of backends that say nothing else. Default: connections count until they close. */
  silentConnectionSeconds?: number;
  /** Host names that requests may name. */
  allowedHosts: readonly string[];
  /** What clients see in front of `/<id>/` and `/api`. Default: where the gateway listens. */
  publicUrl?: string;
  /**
   * Where the whole API listens, at `/`. `/api` of the gateway has the public routes alone then. Default: it is at `/api` with
   * all of its routes.
   */
  control?: { readonly host: string; readonly port: number };
  /** Holds the bearer tokens that the control surface asks for. */
  tokensFile?: string;
  /** Whether the control surface serves callers without a token. */
  allowAnonymous: boolean;
  backendsMax: number;
  /** Of each user that `connect` names. Default: any number. */
  userBackendsMax?: number;
  parkedMax: number;
  retainSeconds: number;
  recordsMax: number;
}

export interface Embedded extends Listening {
  /** `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The port of the whole API, where that has one of its own. */
  readonly controlPort?: number;
  readonly engine: Engine;
  /** How many programs that an earlier server had started go on under this one. */
  readonly adoptedCount: number;
  /** Whether, as it is at the start, callers have to name a template. */
  readonly needsTemplate: boolean;
  /** Takes no more connections for sessions; resolves when what was asked, of the API too, is answered, at the latest after `mostMs`. */
  quiesce(options: { mostMs: number }): Promise<void>;
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
  const { limits = {}, hostDomain, control, userBackendsMax, silentConnectionSeconds } = config;
  const servicePrefix = defaultServicePrefix;
  const auth = authOf(config);
  await using started = new AsyncDisposableStack();

  const programControl = await ProgramControl.open(stateDir, { log });
  started.defer(() => programControl.close());
  const openRelayHost: OpenRelayHost = (options) =>
    openBackendRelayHost({ ...options, limits }, { clock, programControl });
  const templates = await openTemplates(config, { clock, log });
  const metrics = makeProcessMetrics(manifest.version);
  const opened = await ProcessEngine.open({ stateDir, backendsMax, openRelayHost, clock });
  programControl.record(); // only now is it known that the folder is ours
  const engine = measured(opened, metrics);
  const signingKeysFile = new SigningKeysFile(stateDir, { clock, log });
  const signingKeys = () => signingKeysFile.keys();
  started.defer(() => engine.close());
  const adoptedCount = await countRunning(engine);

  // The api gives out the gateway's address, so it starts later; requests for it wait until then.
  const apiStarted = Promise.withResolvers<Api>();
  const spawnForVisitor = async () => {
    const { name, url } = await (await apiStarted.promise).spawn({});
    return hostDomain === undefined || url === undefined ? `/${name}/` : url;
  };
  const gateway = await runGateway(
    {
      host: config.host,
      port: config.port,
      servicePrefix,
      allowedHosts,
      forwardedProto: protoOf(config),
      parkedMax,
      ...gatewayOptionsOf(config),
      ...(config.publicUrl === undefined ? {} : { publicHostName: new URL(config.publicUrl).hostname }),
      publicApiOnly: control !== undefined,
    },
    {
      engine,
      clock,
      log,
      metrics,
      signingKeys,
      api: apiStarted.promise.then(upstreamOf),
      root: async (head) =>
        answerVisitor(head, {
          spawn: auth.kind === "anonymous" ? spawnForVisitor : undefined,
          choice: choiceOf(templates),
        }),
    },
  );
  started.defer(() => gateway.close());

  const url = `http://${hostInUrl(config.host)}:${gateway.port}`;
  const publicUrl = config.publicUrl ?? url;
  const api = await runApi(
    {
      ...(control ?? { host: loopback, port: 0 }),
      servicePrefix,
      apiServerBase: `${publicUrl}/api`,
      urlTemplate: urlTemplateOf(publicUrl, hostDomain),
      auth,
      defaults: {
        gracePeriodSeconds,
        ...(silentConnectionSeconds === undefined ? {} : { silentConnectionSeconds }),
      },
      templates,
      imageNamesTemplate: true,
      ...(userBackendsMax === undefined ? {} : { userBackendsMax }),
      allowedHosts,
    },
    { engine, clock, log, metrics, signingKeys },
  );
  apiStarted.resolve(api);
  started.defer(() => api.close());
  const closing = new AbortController();
  started.defer(() => closing.abort());

  const controller = runController({ retainSeconds, recordsMax, concurrency }, { engine, clock, log, metrics });
  started.defer(() => controller.close());
  const sweeper = runSweeper({}, { engine, clock, log, metrics });
  started.defer(() => sweeper.close());

  const running = started.move();
  return {
    host: config.host,
    port: gateway.port,
    url,
    ...(control === undefined ? {} : { controlPort: api.port }),
    engine,
    adoptedCount,
    needsTemplate: choiceOf(templates) !== undefined,
    async quiesce({ mostMs }) {
      await Promise.all([gateway.quiesce({ mostMs }), api.quiesce({ mostMs, signal: closing.signal })]);
    },
    drain: (options) => controller.drain(options),
    close: () => running.disposeAsync(),
  };
}

function gatewayOptionsOf(config: EmbeddedConfig): GatewayOptions {
  const { limits, trustedProxies, hostDomain, requireToken, allowedOrigins, waitingPage } = config;
  return {
    ...(limits === undefined ? {} : { limits }),
    ...(trustedProxies === undefined ? {} : { trustedProxies }),
    ...(hostDomain === undefined ? {} : { hostDomain }),
    ...(requireToken === undefined ? {} : { requireToken }),
    ...(allowedOrigins === undefined ? {} : { allowedOrigins }),
    ...(waitingPage === undefined ? {} : { waitingPage }),
  };
}

/** Of a backend: below the public URL, or on a host of its own, by the same protocol and port. */
function urlTemplateOf(publicUrl: string, hostDomain: string | undefined): string {
  if (hostDomain === undefined) return `${publicUrl}/{}/`;
  const { protocol, port } = new URL(publicUrl);
  return `${protocol}//{}.${hostDomain}${port === "" ? "" : `:${port}`}/`;
}

/** Throws unless it is said in exactly one way who may use the control surface. */
function authOf({ tokensFile, allowAnonymous }: EmbeddedConfig): Auth {
  if (tokensFile !== undefined && !allowAnonymous) return { kind: "tokens", tokensFile };
  if (tokensFile === undefined && allowAnonymous) return { kind: "anonymous" };
  const given = allowAnonymous ? "both were given" : "neither was given";
  throw new SpawnerError("invalid_request", `A tokens file or leave for anonymous callers is needed; ${given}.`);
}

/** Of the gateway, without a way over the network. */
function upstreamOf({ host, port, openConnection }: Api): Upstream {
  return { host, port, connect: openConnection };
}

type RelayHostOptions = Parameters<OpenRelayHost>[0] & Required<Pick<EmbeddedConfig, "limits">>;

async function openBackendRelayHost(
  options: RelayHostOptions,
  { clock, programControl }: { clock: Clock; programControl: ProgramControl },
) {
  const relayHost = await BackendRelayHost.open({ ...options, host: loopback }, { clock });
  return {
    port: relayHost.port,
    control: relayHost,
    programEnv: programControl.add(options.identity, relayHost),
    programListens: (upstream: { host: string; port: number }) => relayHost.programListens(upstream),
    end: () => relayHost.end(),
    async close() {
      programControl.forget(options.identity);
      await relayHost.close();
    },
  };
}

/** Those that were over already when they were found again are not counted. */
async function countRunning({ workloads }: Engine): Promise<number> {
  const found = await Promise.all((await workloads.list()).map((identity) => workloads.observe(identity)));
  return found.filter(({ kind }) => kind === "running").length;
}

function protoOf({ publicUrl }: EmbeddedConfig): "http" | "https" {
  return publicUrl?.startsWith("https:") ? "https" : "http";
}

function hostInUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
