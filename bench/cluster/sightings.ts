import type { KubeClient } from "../../packages/server/src/engine/kubernetes/index.ts";
import { Informer, type InformerItem } from "../../packages/server/src/engine/kubernetes/informer.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";

/** One object as it was from some moment on. */
interface Sighting<Item> {
  /** By performance.now(). */
  readonly atMs: number;
  /** Undefined: it is gone. */
  readonly item: Item | undefined;
}

export interface Found<Item> {
  readonly atMs: number;
  readonly item: Item;
}

/**
 * Every version of a collection's objects with the moment at which its watch told of it: Kubernetes itself writes down whole
 * seconds.
 */
export class Sightings<Item extends InformerItem> {
  readonly #informer: Informer<Item>;
  readonly #byName = new Map<string, Sighting<Item>[]>();
  readonly #waiting = new Set<() => void>();

  private constructor(client: KubeClient, path: string) {
    this.#informer = new Informer<Item>({
      client,
      clock: systemClock,
      log: silentLog,
      what: path,
      path,
      keep: (object) => object as unknown as Item,
    });
    this.#informer.watch((change) => {
      if (change.kind === "synced") return;
      const { name } = change.item.metadata;
      const item = change.kind === "deleted" ? undefined : change.item;
      this.#byName.set(name, [...(this.#byName.get(name) ?? []), { atMs: performance.now(), item }]);
      for (const look of this.#waiting) look();
    });
  }

  /** Of all objects of a collection: `/api/v1/namespaces/spawner/pods`. */
  static async open<Item extends InformerItem>(client: KubeClient, path: string): Promise<Sightings<Item>> {
    const sightings = new Sightings<Item>(client, path);
    await sightings.#informer.synced;
    return sightings;
  }

  /** The first version for which `test` holds, whether it has been or is to come. */
  async until(name: string, test: (item: Item) => boolean, { withinMs }: { withinMs: number }): Promise<Found<Item>> {
    return this.#wait(name, { withinMs }, () => this.first(name, test));
  }

  /** The first version for which `test` holds, of those that have been. */
  first(name: string, test: (item: Item) => boolean): Found<Item> | undefined {
    return this.#of(name).find(
      (sighting): sighting is Found<Item> => sighting.item !== undefined && test(sighting.item),
    );
  }

  /** Resolves when it is gone; to when that was. */
  async untilGone(name: string, { withinMs }: { withinMs: number }): Promise<number> {
    return this.#wait(name, { withinMs }, () => this.#of(name).find(({ item }) => item === undefined)?.atMs);
  }

  /** UIDs of all objects that have had this name. */
  generationsOf(name: string): ReadonlySet<string> {
    return new Set(this.#of(name).flatMap(({ item }) => (item === undefined ? [] : [item.metadata.uid])));
  }

  async close(): Promise<void> {
    await this.#informer.close();
  }

  #of(name: string): readonly Sighting<Item>[] {
    return this.#byName.get(name) ?? [];
  }

  #wait<Result>(name: string, { withinMs }: { withinMs: number }, look: () => Result | undefined): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        const result = look();
        if (result === undefined) return;
        finish();
        resolve(result);
      };
      const timer = setTimeout(() => {
        finish();
        const last = JSON.stringify(this.#of(name).at(-1)?.item);
        reject(new Error(`${name} was not as awaited within ${withinMs / 1_000} s; last it was ${last}`));
      }, withinMs);
      const finish = () => {
        clearTimeout(timer);
        this.#waiting.delete(settle);
      };
      this.#waiting.add(settle);
      settle();
    });
  }
}
