import { isKubeError } from "../../../../packages/server/src/engine/kubernetes/index.ts";
import { loadKubeConfig } from "../../../../packages/server/src/engine/kubernetes/kube-config.ts";
import { silentLog } from "../../../../packages/server/src/lib/log.ts";
import { ApiProxy, type ApiWrite, type WriteEffect } from "../api-proxy.ts";
import { openAdminClient } from "../client.ts";
import { startRoleProcess } from "../role-process.ts";
import { startController, startSweeper } from "../roles.ts";

export const roleKinds = ["controller", "sweeper"] as const;
export type RoleKind = (typeof roleKinds)[number];

/** A role that was started, however it runs. */
export interface StartedRole {
  /** Ends it without grace; what it had begun may have been done or not. */
  kill(): void;
  /** Ends it. Idempotent. */
  close(): Promise<void>;
}

interface RolePlace {
  readonly namespace: string;
  readonly retainSeconds: number;
}

export type StartRole = (kind: RoleKind, place: RolePlace & { readonly proxy: ApiProxy }) => Promise<StartedRole>;

/** A role in this process: killed, it hears nothing and is heard by nobody any more. */
export const startHere: StartRole = async (kind, { namespace, retainSeconds, proxy }) => {
  const role =
    kind === "controller"
      ? await startController({ namespace, proxy, retainSeconds, log: silentLog })
      : await startSweeper({ namespace, proxy, log: silentLog });
  return { kill: () => void role.close().catch(() => {}), close: () => role.close() };
};

/** A role as `spawner ROLE`: killed, it is so by SIGKILL. */
export const startAsProcess: StartRole = async (kind, { namespace, retainSeconds, proxy }) => {
  // Whoever was killed holds the lease for some seconds more; this is no test of that.
  if (kind === "controller") await forgetLease(namespace);
  const flags = kind === "controller" ? ["--retain-seconds", `${retainSeconds}`] : [];
  const process = await startRoleProcess(kind, { namespace, proxy, flags });
  return { kill: () => void process.end("SIGKILL"), close: () => process.end("SIGKILL") };
};

async function forgetLease(namespace: string): Promise<void> {
  const client = await openAdminClient(namespace);
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/spawner-controller`;
  await client.json({ method: "DELETE", path }).catch((error: unknown) => {
    if (!isKubeError(error, "NotFound")) throw error;
  });
  client.close();
}

interface ReplacedRoleOptions {
  readonly kind: RoleKind;
  readonly start: StartRole;
  readonly place: RolePlace;
  readonly disturb: (role: ReplacedRole) => (write: ApiWrite) => Promise<WriteEffect | undefined>;
  /** What is done to the watches of each proxy, until what it returns is called. */
  readonly disturbWatches?: DisturbWatches | undefined;
}

export type DisturbWatches = (watches: ApiProxy["watches"]) => () => void;

/** A role over a proxy of its own, and those that take its place when it is killed. */
export class ReplacedRole {
  readonly kind: RoleKind;
  readonly #options: ReplacedRoleOptions;
  readonly #proxies: ApiProxy[] = [];
  #role: StartedRole | undefined;
  #replacing: Promise<void> | undefined;
  readonly #leaveWatches: (() => void)[] = [];

  private constructor(options: ReplacedRoleOptions) {
    this.kind = options.kind;
    this.#options = options;
  }

  static async start(options: ReplacedRoleOptions): Promise<ReplacedRole> {
    const role = new ReplacedRole(options);
    await role.#start();
    return role;
  }

  /** Of all of them, in order. */
  get writes(): ApiWrite[] {
    return this.#proxies.flatMap((proxy) => proxy.writes);
  }

  /** Kills it, so that no answer reaches it any more, and has another one started. */
  async replace(): Promise<void> {
    const [killed, proxy] = [this.#role, this.#proxies.at(-1)];
    proxy?.cutConnections();
    killed?.kill();
    this.#replacing = (proxy?.refuse() ?? Promise.resolve()).then(() => this.#start());
    this.#replacing.catch(() => {}); // told by close
  }

  async close(): Promise<void> {
    await this.#replacing;
    for (const leave of this.#leaveWatches) leave();
    await this.#role?.close();
    for (const proxy of this.#proxies) await proxy.close();
  }

  async #start(): Promise<void> {
    const { kind, start, place, disturb, disturbWatches } = this.#options;
    const proxy = await ApiProxy.open(await loadKubeConfig(), { counts: ({ path }) => !path.includes("/leases") });
    proxy.onWrite = disturb(this);
    this.#proxies.push(proxy);
    if (disturbWatches !== undefined) this.#leaveWatches.push(disturbWatches(proxy.watches));
    this.#role = await start(kind, { ...place, proxy });
  }
}
