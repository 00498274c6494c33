import { SpawnerError } from "../../core/errors.ts";
import { NotedItems } from "./noted-items.ts";
import { isNoNewer } from "./resource-version.ts";

/** What every kept object has. */
export interface InformerItem {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
}

export type InformerChange<Item> =
  | { readonly kind: "changed"; readonly item: Item }
  /** It is gone, or not among those that are watched any more; this was its last version. */
  | { readonly kind: "deleted"; readonly item: Item }
  | { readonly kind: "synced" };

/** So many of those that went last are remembered, lest an event that comes late bring one back. */
const tombstonesMax = 1_000;

/** The objects of a collection by name, and who is told of their changes. What is heard twice or late changes nothing. */
export class InformerCache<Item extends InformerItem> {
  readonly #items = new Map<string, Item>();
  /** Name -> version at which it went. */
  readonly #tombstones = new Map<string, string>();
  readonly #watchers = new Set<(change: InformerChange<Item>) => void>();
  readonly #noted = new NotedItems<Item>();
  readonly #sync = Promise.withResolvers<void>();
  #synced = false;
  #closed = false;

  constructor() {
    // Whoever waits is told; nobody may.
    this.#sync.promise.catch(() => {});
  }

  get hasSynced(): boolean {
    return this.#synced;
  }

  get synced(): Promise<void> {
    return this.#sync.promise;
  }

  get(name: string): Item | undefined {
    return this.#noted.newest(name, this.#items.get(name));
  }

  *items(): Generator<Item> {
    for (const name of new Set([...this.#items.keys(), ...this.#noted.names()])) {
      const item = this.get(name);
      if (item !== undefined) yield item;
    }
  }

  note(item: Item): void {
    this.#noted.note(item, this.#items.get(item.metadata.name));
  }

  noteAbsent(identity: { name: string; uid: string }): void {
    this.#noted.noteAbsent(identity, this.#items.get(identity.name));
  }

  watch(onChange: (change: InformerChange<Item>) => void): () => void {
    let watching = true;
    const deliver = (change: InformerChange<Item>) =>
      queueMicrotask(() => {
        if (watching && !this.#closed) onChange(change);
      });
    if (this.#synced) {
      for (const item of this.#items.values()) deliver({ kind: "changed", item });
      deliver({ kind: "synced" });
    }
    this.#watchers.add(deliver);
    return () => {
      watching = false;
      this.#watchers.delete(deliver);
    };
  }

  /** A whole list: what is not in it is gone. It is the truth, whatever versions were heard of before. */
  replace(items: readonly Item[], version: string): void {
    const names = new Set(items.map(({ metadata }) => metadata.name));
    for (const [name, item] of this.#items) {
      if (!names.has(name)) this.#remove(item);
    }
    this.#tombstones.clear();
    for (const item of items) {
      const known = this.#items.get(item.metadata.name);
      if (known === undefined || !isSameVersion(known, item)) this.#put(item);
    }
    this.#noted.heardAll(new Set(items.map(({ metadata }) => metadata.uid)));
    this.#noted.heardUpTo(version);
    if (this.#synced) return;
    this.#synced = true;
    this.#sync.resolve();
    this.#tell({ kind: "synced" });
  }

  /** Everything up to this version was told. */
  heardUpTo(version: string): void {
    this.#noted.heardUpTo(version);
  }

  changed(item: Item): void {
    const { name, resourceVersion } = item.metadata;
    const newest = this.#items.get(name)?.metadata.resourceVersion ?? this.#tombstones.get(name);
    if (newest === undefined || !isNoNewer(resourceVersion, newest)) this.#put(item);
  }

  deleted(item: Item): void {
    const { name, uid, resourceVersion } = item.metadata;
    const known = this.#items.get(name);
    if (known === undefined || known.metadata.uid !== uid) return;
    // The version of a deletion is its own, later than the last of the object.
    if (
      known.metadata.resourceVersion !== resourceVersion &&
      isNoNewer(resourceVersion, known.metadata.resourceVersion)
    )
      return;
    this.#remove(item);
  }

  close(): void {
    this.#closed = true;
    this.#watchers.clear();
    this.#sync.reject(new SpawnerError("unavailable", "The watch was closed before everything had been heard."));
  }

  #put(item: Item): void {
    const known = this.#items.get(item.metadata.name);
    if (known !== undefined && known.metadata.uid !== item.metadata.uid) this.#remove(known);
    this.#tombstones.delete(item.metadata.name);
    this.#items.set(item.metadata.name, item);
    this.#tell({ kind: "changed", item });
  }

  #remove(item: Item): void {
    const { name, resourceVersion } = item.metadata;
    this.#items.delete(name);
    this.#noted.heardAbsent(item.metadata);
    this.#tombstones.set(name, resourceVersion);
    if (this.#tombstones.size > tombstonesMax) {
      const [oldest] = this.#tombstones.keys();
      if (oldest !== undefined) this.#tombstones.delete(oldest);
    }
    this.#tell({ kind: "deleted", item });
  }

  #tell(change: InformerChange<Item>): void {
    for (const deliver of this.#watchers) deliver(change);
  }
}

function isSameVersion(a: InformerItem, b: InformerItem): boolean {
  return a.metadata.uid === b.metadata.uid && a.metadata.resourceVersion === b.metadata.resourceVersion;
}
