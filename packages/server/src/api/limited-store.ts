import { SpawnerError } from "../core/errors.ts";
import type { Backend, BackendDraft } from "../core/resource.ts";
import { hasEnded } from "../core/status.ts";
import type { Engine } from "../engine/index.ts";
import { EndingBackends } from "./ending-backends.ts";

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
  readonly #store: Engine["backends"];
  readonly #limits: BackendLimits;
  /** By UID, whose the living ones are. */
  readonly #living = new Map<string, string | undefined>();
  readonly #counts = new Map<string, number>();
  readonly #pending = new Set<PendingCreation>();
  readonly #ending: EndingBackends;
  readonly #unwatch: () => void;

  constructor({ backends, workloads }: Pick<Engine, "backends" | "workloads">, limits: BackendLimits) {
    this.#store = backends;
    this.#limits = limits;
    this.#ending = new EndingBackends(workloads);
    this.#unwatch = backends.watch((change) => {
      if (change.kind === "synced") return;
      const { backend } = change;
      for (const { heardOf } of this.#pending) heardOf.add(backend.metadata.uid);
      this.#note(backend, change.kind === "changed" && !hasEnded(backend));
      if (change.kind === "deleted" && backend.spec.user !== undefined) {
        this.#ending.forget(backend.spec.user, backend.metadata.uid);
      }
    });
  }

  /** Rejects with too_many_backends. */
  async create(draft: BackendDraft): Promise<Backend> {
    const { user } = draft.spec;
    if (user !== undefined && this.#countOf(user) >= this.#userMax) await this.#ending.forgetGone(user);
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
    const { backendsMax } = this.#limits;
    const count = this.#living.size + this.#pending.size;
    if (backendsMax !== undefined && count >= backendsMax) {
      throw tooMany(`${count} backends live, and no more than ${backendsMax} are allowed (--backends-max).`);
    }
    if (user === undefined) return;
    const own = this.#countOf(user);
    if (own < this.#userMax) return;
    throw tooMany(
      `${own} backends of this user live or are ending, and no more than ${this.#userMax} are allowed (--user-backends-max).`,
    );
  }

  get #userMax(): number {
    return this.#limits.userBackendsMax ?? Number.POSITIVE_INFINITY;
  }

  #countOf(user: string): number {
    const pending = [...this.#pending].filter((each) => each.user === user).length;
    return (this.#counts.get(user) ?? 0) + this.#ending.countOf(user) + pending;
  }

  #note(backend: Backend, isLiving: boolean): void {
    const { uid } = backend.metadata;
    const { user } = backend.spec;
    if (this.#living.has(uid) === isLiving) return;
    if (isLiving) this.#living.set(uid, user);
    else this.#living.delete(uid);
    if (user === undefined) return;
    if (!isLiving) this.#ending.add(user, backend);
    const count = (this.#counts.get(user) ?? 0) + (isLiving ? 1 : -1);
    if (count > 0) this.#counts.set(user, count);
    else this.#counts.delete(user);
  }
}

function tooMany(message: string): SpawnerError {
  return new SpawnerError("too_many_backends", message);
}
