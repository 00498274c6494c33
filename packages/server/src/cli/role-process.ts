import manifest from "../../package.json" with { type: "json" };
import type { SigningKeys } from "../core/connection-token.ts";
import { type Engine, measured } from "../engine/index.ts";
import {
  KeysSecret,
  type KubeClient,
  KubernetesEngine,
  openKubeClient,
  type PodOptions,
} from "../engine/kubernetes/index.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { openHealthServer } from "../lib/health-server.ts";
import type { Log } from "../lib/log.ts";
import { Metrics } from "../lib/metrics.ts";
import { makeProcessMetrics } from "../lib/process-metrics.ts";
import { explainListenFailure } from "./listen-failure.ts";
import { makeLogger } from "./logger.ts";
import type { CompatFlags, RoleFlags } from "./role-flags.ts";
import { listenForSignals } from "./signals.ts";

export interface RoleOptions {
  readonly role: "api" | "controller" | "gateway" | "sweeper";
  readonly flags: RoleFlags & CompatFlags;
  /** Whether it needs the keys of the Secret: `ensure` makes it where there is none. */
  readonly keys?: "read" | "ensure";
  /** Only the backends of this node. Default: all. */
  readonly nodeName?: string;
  /** How Pods are made, by the role that makes them; undefined where it was asked to end before that was known. */
  readonly pods?: (deps: Pick<RoleProcess, "client" | "clock" | "log" | "ending">) => Promise<PodOptions | undefined>;
}

/** Those that can do nothing without the control key. Others say so where it is needed. */
const asksHosts: ReadonlySet<RoleOptions["role"]> = new Set(["controller", "sweeper"]);

/** What a role finds around it on a cluster. */
export interface RoleProcess {
  readonly clock: Clock;
  readonly log: Log;
  readonly client: KubeClient;
  /** Opens another one, with connections of its own, which is its caller's to close. */
  openClient(): Promise<KubeClient>;
  readonly engine: Engine;
  readonly signingKeys: SigningKeys;
  /** Of the process, for as long as it lives. */
  readonly metrics: Metrics;
  /** Metrics beside these, of what begins and ends within the process. */
  openMetrics(): { readonly metrics: Metrics; close(): void };
  /** Aborts when a signal asks the process to end: it is not ready from then on. */
  readonly ending: AbortSignal;
  /** Aborts when a second one does: nothing is to be waited for any more. */
  readonly hurried: AbortSignal;
}

/** Runs a role until it is asked to end: what it needs of the cluster, the log, and its health on a port of its own. */
export async function runRole(options: RoleOptions, serve: (process: RoleProcess) => Promise<void>): Promise<void> {
  const { role, flags, nodeName } = options;
  const clock = systemClock;
  const ending = new AbortController();
  const hurried = new AbortController();
  using signals = listenForSignals(() => hurried.abort());
  const log = (await makeLogger(flags.logLevel)).child({ role });
  void signals.first.then((signal) => {
    log.info({ signal }, "ending");
    ending.abort();
  });

  await using held = new AsyncDisposableStack();
  const client = held.adopt(await openClient(flags), (opened) => opened.close());
  const keys = options.keys === undefined ? undefined : new KeysSecret({ client, clock, log, how: options.keys });
  held.defer(() => keys?.close());
  const metrics = makeProcessMetrics(manifest.version);
  const parts = new Set([metrics]);
  let hasSynced = false;
  const whyNotReady = () => {
    if (ending.signal.aborted) return "it is ending";
    if (!hasSynced) return "the backends have not been read yet";
    if (keys?.hasSynced === false) return "the Secret spawner-keys has not been read yet";
    if (asksHosts.has(role) && keys?.controlKey() === undefined)
      return "there is no control key yet (Secret spawner-keys)";
    return undefined;
  };
  const health = held.adopt(await openHealth(flags, { whyNotReady, parts }), (opened) => opened.close());
  log.info({ namespace: client.namespace, healthPort: health.port, version: manifest.version }, "started");
  const pods = await options.pods?.({ client, clock, log, ending: ending.signal });
  const opened = await KubernetesEngine.open({
    client,
    clock,
    log,
    controlKey: () => keys?.controlKey(),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(pods === undefined ? {} : { pods }),
  });
  const engine = held.adopt(measured(opened, metrics), (each) => each.close());
  held.defer(
    engine.backends.watch(({ kind }) => {
      if (kind === "synced") hasSynced = true;
    }),
  );
  const openMetrics = () => {
    const part = new Metrics();
    parts.add(part);
    return { metrics: part, close: () => void parts.delete(part) };
  };
  await serve({
    clock,
    log,
    client,
    openClient: () => openClient(flags),
    engine,
    signingKeys: () => keys?.signingKeys() ?? [],
    metrics,
    openMetrics,
    ending: ending.signal,
    hurried: hurried.signal,
  });
  log.info({}, "ended");
}

function openClient({ compat, namespace = compat ? legacyNamespace : undefined, kubeconfig }: RoleFlags & CompatFlags) {
  return openKubeClient({
    clock: systemClock,
    ...(namespace === undefined ? {} : { namespace }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  });
}

/** Where 0.1.9 looked for backends, wherever it ran itself. */
const legacyNamespace = "spawner";

async function openHealth(
  { host, metricsPort: port }: RoleFlags,
  { whyNotReady, parts }: { whyNotReady: () => string | undefined; parts: ReadonlySet<Metrics> },
) {
  const metrics = async () => {
    const texts = await Promise.all([...parts].map((part) => part.text()));
    return { text: texts.join("\n"), contentType: [...parts][0]?.contentType ?? "text/plain" };
  };
  try {
    return await openHealthServer({ host, port }, { whyNotReady, metrics });
  } catch (error) {
    throw explainListenFailure(error, { host, port, flag: "--metrics-port" });
  }
}
