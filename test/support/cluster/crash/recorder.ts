import type { Backend } from "../../../../packages/server/src/core/resource.ts";
import type { KubeClient } from "../../../../packages/server/src/engine/kubernetes/index.ts";
import type { KubeObject } from "../../../../packages/server/src/engine/kubernetes/objects.ts";
import { watchEvents } from "../../../../packages/server/src/engine/kubernetes/watch-stream.ts";
import { systemClock } from "../../../../packages/server/src/lib/clock.ts";

const watchesMax = 20;

/** An Event of Kubernetes about a backend. */
export interface BackendEvent {
  readonly reason: string;
  readonly type: string;
}

/** All that becomes of one backend and its Pods, seen by a watch of its own from before it is created. */
export class Recorder {
  /** Each version of the record, in order. */
  readonly versions: Backend[] = [];
  /** Whether the record is gone. */
  isForgotten = false;
  /** UID -> whether it is gone. */
  readonly pods = new Map<string, boolean>();
  readonly #client: KubeClient;
  readonly #name: string;
  readonly #stop = new AbortController();
  #failure: unknown;

  private constructor(client: KubeClient, name: string) {
    this.#client = client;
    this.#name = name;
  }

  static async open(client: KubeClient, name: string): Promise<Recorder> {
    const recorder = new Recorder(client, name);
    const { namespace } = client;
    await recorder.#follow({
      path: `/apis/spawner.dev/v1/namespaces/${namespace}/sessionlivedbackends`,
      query: { fieldSelector: `metadata.name=${name}` },
      onEvent: (type, object) => {
        if (type === "DELETED") recorder.isForgotten = true;
        else recorder.versions.push({ ...(object as Backend), status: (object as Backend).status ?? {} });
      },
    });
    await recorder.#follow({
      path: `/api/v1/namespaces/${namespace}/pods`,
      query: { labelSelector: `spawner.dev/backend=${name}` },
      onEvent: (type, { metadata }) => recorder.pods.set(metadata.uid, type === "DELETED"),
    });
    return recorder;
  }

  /** The newest version of the record, whether or not it is gone by now. */
  get last(): Backend | undefined {
    if (this.#failure !== undefined) throw new Error("the watch of the test itself failed", { cause: this.#failure });
    return this.versions.at(-1);
  }

  get hasPods(): boolean {
    return [...this.pods.values()].includes(false);
  }

  async events(): Promise<BackendEvent[]> {
    const { items } = await this.#client.json<{ items: BackendEvent[] }>({
      method: "GET",
      path: `/api/v1/namespaces/${this.#client.namespace}/events`,
      query: { fieldSelector: `involvedObject.kind=SessionLivedBackend,involvedObject.name=${this.#name}` },
    });
    return items;
  }

  close(): void {
    this.#stop.abort();
  }

  async #follow({ path, query, onEvent }: Following): Promise<void> {
    const list = await this.#client.json<{ metadata: { resourceVersion: string } }>({ method: "GET", path, query });
    let { resourceVersion } = list.metadata;
    const { signal } = this.#stop;
    const follow = async () => {
      // A watch ends when anybody applies the CRD, and goes on from where it was.
      for (let watches = 0; watches < watchesMax; watches++) {
        const watch = { client: this.#client, clock: systemClock, path, query, resourceVersion, signal };
        for await (const { type, object } of watchEvents(watch)) {
          resourceVersion = object.metadata.resourceVersion;
          if (type !== "BOOKMARK") onEvent(type, object);
        }
      }
      throw new Error(`the watch of ${path} ended ${watchesMax} times`);
    };
    follow().catch((error: unknown) => {
      if (!signal.aborted) this.#failure = error;
    });
  }
}

interface Following {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly onEvent: (type: string, object: KubeObject) => void;
}
