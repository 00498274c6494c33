import { Backoff } from "../../lib/backoff.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { pause } from "../../lib/pause.ts";
import { troubleOf } from "../trouble.ts";
import { InformerCache, type InformerChange, type InformerItem } from "./informer-cache.ts";
import { isKubeError, type KubeClient } from "./kube-client.ts";
import type { KubeList, KubeObject } from "./objects.ts";
import { compareVersions } from "./resource-version.ts";
import { WatchSilence, watchEvents } from "./watch-stream.ts";

export type { InformerChange, InformerItem } from "./informer-cache.ts";

/** Lists are read in pages of so many. */
const pageSize = 500;
const retryFirstMs = 100;
const retryMostMs = 5_000;
/** A watch that lasted this long is no sign of trouble, whatever ended it. */
const goodWatchMs = 5_000;

export interface InformerOptions<Item extends InformerItem> {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** What is watched, in the plural, for the log: `pods`. */
  readonly what: string;
  /** Of the collection: `/api/v1/namespaces/spawner/pods`. */
  readonly path: string;
  readonly query?: { readonly labelSelector?: string; readonly fieldSelector?: string };
  /** What is kept of an object: no more than somebody reads, since all of them are held in memory. */
  readonly keep: (object: KubeObject) => Item;
}

/**
 * All objects of a collection as last heard, and every change of them. It begins when it is first watched, and from then on
 * never stops by itself: a broken watch is resumed where it was, one that cannot be is begun with a new list, which also
 * finds what was deleted meanwhile, and while the API server is away what was last heard stands.
 */
export class Informer<Item extends InformerItem> {
  readonly #options: InformerOptions<Item>;
  readonly #cache = new InformerCache<Item>();
  readonly #backoff = new Backoff({ firstMs: retryFirstMs, mostMs: retryMostMs });
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  /** Everything up to this version was heard; undefined: a list is needed. */
  #version: string | undefined;
  #inTrouble = false;

  constructor(options: InformerOptions<Item>) {
    this.#options = options;
  }

  /** Whether it was begun. */
  get hasStarted(): boolean {
    return this.#running !== undefined;
  }

  /** Whether everything that was there at the beginning has been heard. */
  get hasSynced(): boolean {
    return this.#cache.hasSynced;
  }

  /** Resolves when everything that was there at the beginning has been heard; rejects when it is closed before. */
  get synced(): Promise<void> {
    return this.#cache.synced;
  }

  /** As last heard or noted. */
  get(name: string): Item | undefined {
    return this.#cache.get(name);
  }

  items(): Iterable<Item> {
    return this.#cache.items();
  }

  /** What this process wrote or read itself: until the watch has come as far, `get` and `items` give this. */
  note(item: Item): void {
    if (this.hasStarted) this.#cache.note(item);
  }

  /** This process knows that this generation is gone. */
  noteAbsent(identity: { readonly name: string; readonly uid: string }): void {
    if (this.hasStarted) this.#cache.noteAbsent(identity);
  }

  /** Calls back for every object, then `synced`, then for every change, in order for each, never before it returned. */
  watch(onChange: (change: InformerChange<Item>) => void): () => void {
    const stop = this.#cache.watch(onChange);
    this.start();
    return stop;
  }

  /** Begins, if it has not. */
  start(): void {
    if (!this.#stop.signal.aborted) this.#running ??= this.#run();
  }

  /** Ends all watches. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#cache.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const waitMs = await this.#step();
      if (waitMs > 0) await pause(this.#options.clock, waitMs, signal);
    }
  }

  /** A list, or a watch for as long as it lasts. Resolves to how long to wait before the next step. */
  async #step(): Promise<number> {
    try {
      if (this.#version === undefined) {
        await this.#list();
        return 0;
      }
      return (await this.#follow(this.#version)) ? 0 : this.#nextWaitMs();
    } catch (error) {
      if (this.#stop.signal.aborted) return 0;
      const mustList = isKubeError(error) || error instanceof WatchSilence;
      if (mustList) this.#version = undefined;
      this.#tell(error);
      return this.#nextWaitMs();
    }
  }

  async #list(): Promise<void> {
    const { client, path, query, keep } = this.#options;
    const items: Item[] = [];
    let next: string | undefined;
    let version: string;
    do {
      const page: KubeList<KubeObject> = await client.json({
        method: "GET",
        path,
        query: { ...query, limit: pageSize, continue: next },
        isList: true,
        signal: this.#stop.signal,
      });
      for (const object of page.items) items.push(keep(object));
      next = page.metadata.continue || undefined;
      version = page.metadata.resourceVersion;
    } while (next !== undefined);
    this.#cache.replace(items, version);
    this.#version = version;
    this.#recovered();
  }

  /** Whether this watch gave no reason to wait before the next. */
  async #follow(resourceVersion: string): Promise<boolean> {
    const { client, clock, path, query = {}, keep } = this.#options;
    const startMs = clock.monotonicMs();
    let heard = false;
    try {
      const options = { client, clock, path, query, resourceVersion, signal: this.#stop.signal };
      for await (const { type, object } of watchEvents(options)) {
        if (!heard) this.#recovered();
        heard = true;
        if (type === "DELETED") this.#cache.deleted(keep(object));
        else if (type !== "BOOKMARK") this.#cache.changed(keep(object));
        this.#advance(object.metadata.resourceVersion);
      }
      return heard || clock.monotonicMs() - startMs >= goodWatchMs;
    } finally {
      if (heard || clock.monotonicMs() - startMs >= goodWatchMs) this.#backoff.reset();
    }
  }

  /** An event that comes late does not take the position back. */
  #advance(version: string): void {
    if (this.#version === undefined || compareVersions(version, this.#version) !== -1) {
      this.#version = version;
      this.#cache.heardUpTo(version);
    }
  }

  /** Not at the same moment as everybody else. */
  #nextWaitMs(): number {
    return this.#backoff.next() * (0.5 + Math.random() / 2);
  }

  #tell(error: unknown): void {
    const { log, what } = this.#options;
    // One line for a trouble, however often it is tried in vain.
    if (this.#inTrouble) log.debug({ what, err: error }, "still cannot watch");
    // As it has to now and then. Whatever else is refused (no right to watch, no CRD) somebody has to mend.
    else if (isKubeError(error, "Expired", "Gone")) log.info({ what, err: error }, "watch cannot go on, listing anew");
    else log.warn({ what, ...troubleOf(error) }, "watch broke");
    this.#inTrouble = true;
  }

  #recovered(): void {
    if (this.#inTrouble) this.#options.log.info({ what: this.#options.what }, "watching again");
    this.#inTrouble = false;
  }
}
