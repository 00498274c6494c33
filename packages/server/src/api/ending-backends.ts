import type { Backend } from "../core/resource.ts";
import type { Engine, WorkloadIdentity } from "../engine/index.ts";

/** Backends of users that have ended, and whose programs may go on: they take what a living one takes. */
export class EndingBackends {
  readonly #workloads: Engine["workloads"];
  /** By user, and by UID. */
  readonly #ofUsers = new Map<string, Map<string, WorkloadIdentity>>();

  constructor(workloads: Engine["workloads"]) {
    this.#workloads = workloads;
  }

  add(user: string, { metadata: { name, uid } }: Backend): void {
    const own = this.#ofUsers.get(user) ?? new Map<string, WorkloadIdentity>();
    this.#ofUsers.set(user, own.set(uid, { name, uid }));
  }

  forget(user: string, uid: string): void {
    const own = this.#ofUsers.get(user);
    if (own?.delete(uid) && own.size === 0) this.#ofUsers.delete(user);
  }

  countOf(user: string): number {
    return this.#ofUsers.get(user)?.size ?? 0;
  }

  /** Forgets those of this user whose programs are over. To be asked where their number matters, since the engine is asked of each. */
  async forgetGone(user: string): Promise<void> {
    await Promise.all(
      [...(this.#ofUsers.get(user)?.values() ?? [])].map(async (identity) => {
        const { kind } = await this.#workloads.observe(identity);
        if (kind === "absent" || kind === "ended") this.forget(user, identity.uid);
      }),
    );
  }
}
