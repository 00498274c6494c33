import type { KubeClient } from "../../../packages/server/src/engine/kubernetes/index.ts";
import { type LegacySlab, setState, slabsPath } from "./controller-019.ts";
import { LegacyEventStream, type LegacyState } from "./event-stream-019.ts";

const pollMs = 200;

/**
 * The sweeper of 0.1.9: listens to every backend with a node (label `spawnerGroup`) that runs, once for its whole life, at
 * `status.url`; says that it is ready, and sweeps it when it has heard of nobody for the grace period, or hears nothing at all.
 * It is found at its Service's address here, since a test has no cluster DNS, and polls where that watches.
 */
export class LegacySweeper {
  readonly #client: KubeClient;
  readonly #timer: NodeJS.Timeout;
  /** By the backend's name, as it remembers them: for ever. */
  readonly streams = new Map<string, LegacyEventStream>();
  readonly #stops: (() => void)[] = [];

  constructor(client: KubeClient) {
    this.#client = client;
    this.#timer = setInterval(() => void this.#look().catch(() => {}), pollMs);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const stop of this.#stops) stop();
  }

  async #look(): Promise<void> {
    const query = { labelSelector: "spawnerGroup" };
    const path = slabsPath(this.#client);
    const { items } = await this.#client.json<{ items: LegacySlab[] }>({ method: "GET", path, query });
    for (const slab of items) {
      const { running, ready, swept } = slab.status ?? {};
      if ((running || ready || swept) && !this.streams.has(slab.metadata.name)) this.#listen(slab);
    }
  }

  #listen(slab: LegacySlab): void {
    const { url, ip } = slab.status ?? {};
    if (url === undefined || ip === undefined) return;
    const { gracePeriodSeconds = 0 } = slab.spec as { gracePeriodSeconds?: number };
    const { name } = slab.metadata;
    let isReady = false;
    let timer: NodeJS.Timeout | undefined;
    const stop = () => {
      clearTimeout(timer);
      stream.close();
    };
    const sweep = () => {
      stop();
      void setState(this.#client, slab, { state: "Swept", status: { swept: true } }).catch(() => {});
    };
    const onState = ({ ready, seconds_since_active: idleSeconds }: LegacyState) => {
      if (ready && !isReady) {
        isReady = true;
        void setState(this.#client, slab, { state: "Ready", status: { ready: true } }).catch(() => {});
      }
      clearTimeout(timer);
      const waitMs = Math.max(gracePeriodSeconds - (idleSeconds ?? 0), 0) * 1000;
      if (idleSeconds !== undefined) timer = setTimeout(sweep, waitMs);
    };
    const stream = new LegacyEventStream({ url: url.replace(/\/\/[^:/]+/, `//${ip}`), onState, onDead: sweep });
    this.streams.set(name, stream);
    this.#stops.push(stop);
  }
}
