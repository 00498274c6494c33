import type { InformerItem } from "./informer-cache.ts";
import { isNoNewer } from "./resource-version.ts";

type Noted<Item> =
  | { readonly kind: "present"; readonly item: Item }
  | { readonly kind: "absent"; readonly uid: string };

/**
 * What this process knows better than its watch, since it wrote or read it itself, until the watch has come as far: so
 * that nobody reads something older than what he wrote.
 */
export class NotedItems<Item extends InformerItem> {
  readonly #noted = new Map<string, Noted<Item>>();
  /** The version up to which the watch has told everything. */
  #heardVersion: string | undefined;

  /** The newest of what was heard and what was noted. */
  newest(name: string, heard: Item | undefined): Item | undefined {
    const noted = this.#noted.get(name);
    if (noted === undefined) return heard;
    if (noted.kind === "present") return noted.item;
    return heard?.metadata.uid === noted.uid ? undefined : heard;
  }

  names(): IterableIterator<string> {
    return this.#noted.keys();
  }

  /** It is there in this version. */
  note(item: Item, heard: Item | undefined): void {
    const { name, resourceVersion } = item.metadata;
    // The answer to a write can come later than word of what followed it: that it is gone, too.
    if (this.#heardVersion !== undefined && !isNewer(resourceVersion, this.#heardVersion)) return;
    const newest = this.newest(name, heard);
    if (newest === undefined || !isNoNewer(resourceVersion, newest.metadata.resourceVersion)) {
      this.#noted.set(name, { kind: "present", item });
    }
  }

  /** This generation is gone. */
  noteAbsent({ name, uid }: { name: string; uid: string }, heard: Item | undefined): void {
    const isHeard = heard?.metadata.uid === uid;
    if (isHeard || this.newest(name, heard)?.metadata.uid === uid) {
      this.#noted.set(name, { kind: "absent", uid });
    }
  }

  /** The watch heard that this generation is gone. */
  heardAbsent({ name, uid }: { name: string; uid: string }): void {
    const noted = this.#noted.get(name);
    const notedUid = noted?.kind === "present" ? noted.item.metadata.uid : noted?.uid;
    if (notedUid === uid) this.#noted.delete(name);
  }

  /** The watch has told everything up to this version. Versions that are opaque are taken for older. */
  heardUpTo(version: string): void {
    this.#heardVersion = version;
    for (const [name, noted] of this.#noted) {
      const isBehind = noted.kind === "present" && !isNewer(noted.item.metadata.resourceVersion, version);
      if (isBehind) this.#noted.delete(name);
    }
  }

  /** A whole list was read: a generation that is not in it will not be heard of again. */
  heardAll(uids: ReadonlySet<string>): void {
    for (const [name, noted] of this.#noted) {
      if (noted.kind === "absent" && !uids.has(noted.uid)) this.#noted.delete(name);
    }
  }
}

function isNewer(a: string, b: string): boolean {
  return a !== b && isNoNewer(b, a);
}
