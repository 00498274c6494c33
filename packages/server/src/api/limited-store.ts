import { SpawnerError } from "../core/errors.ts";
import type { Backend, BackendDraft } from "../core/resource.ts";
import { hasEnded } from "../core/status.ts";
import type { BackendStore } from "../engine/index.ts";

export type CreateBackend = (draft: BackendDraft) => Promise<Backend>;

/** How many backends may live. Default: any number. */
export interface BackendLimits {
  /** In all. */
  readonly backendsMax?: number;
  /** Of each user that `connect` names. */
  readonly userBackendsMax?: number;
}

/** A backend that is being created. */
interface PendingCreation {
  readonly user: string | undefined;
  /** UIDs that the watch has told of meanwhile. */
  readonly heardOf: Set<string>;
}

/** Creates backends, no more of them than may live: as this process has heard, so that several may exceed it by what they do at once. */
export class LimitedStore {
  readonly #store: BackendStore;
  readonly #limits: BackendLimits;
  /** By UID, whose the living ones are. */
  readonly #living = new Map<string, string | undefined>();
  readonly #counts = new Map<string, number>();
  readonly #pending = new Set<PendingCreation>();
  readonly #unwatch: () => void;

  constructor(store: BackendStore, limits: BackendLimits) {
    this.#store = store;
    this.#limits = limits;
    this.#unwatch = store.watch((change) => {
      if (change.kind === "synced") return;
      const { backend } = change;
      for (const { heardOf } of this.#pending) heardOf.add(backend.metadata.uid);
      this.#note(backend, change.kind === "changed" && !hasEnded(backend));
    });
  }

  /** Rejects with too_many_backends. */
  async create(draft: BackendDraft): Promise<Backend> {
    const { user } = draft.spec;
    this.#refuseTooMany(user);
    const pending: PendingCreation = { user, heardOf: new Set() };
    this.#pending.add(pending);
    try {
      const backend = await this.#store.create(draft);
      // The watch may lag; or it was first, and may have told of the end already.
      if (!pending.heardOf.has(backend.metadata.uid)) this.#note(backend, true);
      return backend;
    } finally {
      this.#pending.delete(pending);
    }
  }

  close(): void {
    this.#unwatch();
  }

  #refuseTooMany(user: string | undefined): void {
    const { backendsMax, userBackendsMax } = this.#limits;
    const count = this.#living.size + this.#pending.size;
    if (backendsMax !== undefined && count >= backendsMax) {
      throw tooMany(`${count} backends live, and no more than ${backendsMax} are allowed (--backends-max).`);
    }
    if (user === undefined || userBackendsMax === undefined) return;
    const own = (this.#counts.get(user) ?? 0) + [...this.#pending].filter((each) => each.user === user).length;
    if (own < userBackendsMax) return;
    throw tooMany(
      `${own} backends of this user live, and no more than ${userBackendsMax} are allowed (--user-backends-max).`,
    );
  }

  #note({ metadata: { uid }, spec: { user } }: Backend, isLiving: boolean): void {
    if (this.#living.has(uid) === isLiving) return;
    if (isLiving) this.#living.set(uid, user);
    else this.#living.delete(uid);
    if (user === undefined) return;
    const count = (this.#counts.get(user) ?? 0) + (isLiving ? 1 : -1);
    if (count > 0) this.#counts.set(user, count);
    else this.#counts.delete(user);
  }
}

function tooMany(message: string): SpawnerError {
  return new SpawnerError("too_many_backends", message);
}
