import type { ConnectionToken } from "../core/connection-token.ts";
import type { Backend } from "../core/resource.ts";
import { isRevoked } from "../core/revocations.ts";
import { identityOf } from "../core/workload.ts";

interface Open {
  readonly token: ConnectionToken;
  readonly revoke: () => void;
}

/** What was let in by a token and is open still, so that taking the token back ends it. */
export class OpenConnections {
  /** By generation: a token is for one alone. */
  readonly #open = new Map<string, Set<Open>>();

  /** How many there are. */
  get count(): number {
    let count = 0;
    for (const { size } of this.#open.values()) count += size;
    return count;
  }

  /** `revoke` is called when the token is taken back. What is given back is to be called when there is nothing left to end. */
  add(token: ConnectionToken, revoke: () => void): () => void {
    const ofBackend = this.#open.get(token.backend) ?? new Set();
    const open: Open = { token, revoke };
    this.#open.set(token.backend, ofBackend.add(open));
    return () => {
      ofBackend.delete(open);
      if (ofBackend.size === 0 && this.#open.get(token.backend) === ofBackend) this.#open.delete(token.backend);
    };
  }

  /** Ends what a backend as it is now lets in no more. */
  onChange(backend: Backend): void {
    if (backend.status.revocations === undefined) return;
    for (const { token, revoke } of [...(this.#open.get(identityOf(backend)) ?? [])]) {
      if (isRevoked(backend, token)) revoke();
    }
  }
}
