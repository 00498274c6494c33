import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run as runController } from "../../../packages/server/src/controller/index.ts";
import type { SigningKey } from "../../../packages/server/src/core/signing-keys.ts";
import type { Engine } from "../../../packages/server/src/engine/index.ts";
import {
  Announcer,
  KeysSecret,
  type KubeClient,
  KubernetesEngine,
  openKubeClient,
} from "../../../packages/server/src/engine/kubernetes/index.ts";
import { run as runGateway } from "../../../packages/server/src/gateway/index.ts";
import { systemClock } from "../../../packages/server/src/lib/clock.ts";
import type { Log } from "../../../packages/server/src/lib/log.ts";
import { Metrics } from "../../../packages/server/src/lib/metrics.ts";
import { run as runSweeper } from "../../../packages/server/src/sweeper/index.ts";
import type { ApiProxy } from "./api-proxy.ts";
import { testImage } from "./overlay.ts";

/** A role that runs in this process, over an API server of the caller's choice. */
export interface RoleHere {
  readonly engine: Engine;
  /** Ends it: what it does is not waited for. */
  close(): Promise<void>;
}

export interface RolePlace {
  readonly namespace: string;
  /** Where it finds the API server. Default: where KUBECONFIG says. */
  readonly proxy?: ApiProxy;
  readonly log?: Log;
}

const clock = systemClock;

export interface ControllerPlace extends RolePlace {
  /** How long the record of an ended backend stays. Default: an hour. */
  readonly retainSeconds?: number;
}

export async function startController({ retainSeconds = 3_600, ...place }: ControllerPlace): Promise<RoleHere> {
  return startRole(place, { keys: "ensure", makesPods: true }, async (deps) => {
    const { client, engine, clock, log } = deps;
    const announcer = new Announcer({ client, backends: engine.backends, clock, log, compat: false });
    const controller = runController({ retainSeconds, recordsMax: 1_000, concurrency: 32 }, deps);
    return { close: async () => void (await Promise.all([controller.close(), announcer.close()])) };
  });
}

export async function startSweeper({ nodeName, ...place }: RolePlace & { nodeName?: string }): Promise<RoleHere> {
  const node = nodeName === undefined ? {} : { nodeName };
  return startRole(place, { keys: "read", ...node }, async (deps) => runSweeper(node, deps));
}

/** `url` is where its backends are: `${url}/<name>/`. */
export async function startGateway(place: RolePlace): Promise<RoleHere & { readonly url: string }> {
  let url = "";
  const config = { host: "127.0.0.1", port: 0, servicePrefix: "", forwardedProto: "http", parkedMax: 100 } as const;
  const role = await startRole(place, { keys: "read" }, async (deps) => {
    const gateway = await runGateway(config, deps);
    url = `http://127.0.0.1:${gateway.port}`;
    return gateway;
  });
  return { ...role, url };
}

interface RoleNeeds {
  readonly keys?: "read" | "ensure";
  readonly makesPods?: boolean;
  readonly nodeName?: string;
}

interface RoleDeps {
  readonly client: KubeClient;
  readonly engine: Engine;
  readonly clock: typeof clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signingKeys: () => readonly SigningKey[];
}

async function startRole(
  place: RolePlace,
  { keys: how, makesPods = false, nodeName }: RoleNeeds,
  run: (deps: RoleDeps) => Promise<{ close(): Promise<void> }>,
): Promise<RoleHere> {
  const { log = warningsOnly } = place;
  const client = await openClient(place);
  const keys = how === undefined ? undefined : new KeysSecret({ client, clock, log, how });
  const engine = await KubernetesEngine.open({
    client,
    clock,
    log,
    controlKey: () => keys?.controlKey(),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(makesPods ? { pods: { sidecarImage: testImage } } : {}),
  });
  const role = await run({
    client,
    engine,
    clock,
    log,
    metrics: new Metrics(),
    signingKeys: () => keys?.signingKeys() ?? [],
  });
  return {
    engine,
    async close() {
      await role.close();
      await engine.close();
      await keys?.close();
      client.close();
    },
  };
}

/** Of the namespace, through the proxy where there is one. To be closed. */
async function openClient({ namespace, proxy }: RolePlace): Promise<KubeClient> {
  if (proxy === undefined) return openKubeClient({ namespace, clock });
  const folder = mkdtempSync(join(tmpdir(), "spawner-kubeconfig-"));
  try {
    const kubeconfig = join(folder, "kubeconfig");
    writeFileSync(kubeconfig, proxy.kubeconfig());
    return await openKubeClient({ kubeconfig, namespace, clock });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Where a test fails, what went wrong tells why. */
const warningsOnly: Log = {
  debug() {},
  info() {},
  warn: (fields, message) => console.warn(message, fields),
  error: (fields, message) => console.error(message, fields),
};
