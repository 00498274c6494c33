import { isSpawnerError, SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import { type Revoked, revocationPatch } from "../core/revocation-patch.ts";
import type { Engine } from "../engine/index.ts";
import type { Clock } from "../lib/clock.ts";

/** Others may write at the same time, each once or twice. */
const attemptsMax = 20;

/** Takes access back. What two take back at once, of one API or of two, is taken back both. Rejects: not_found, conflict. */
export function makeRevoke({ engine, clock }: { engine: Pick<Engine, "backends">; clock: Clock }) {
  /** Those of one backend one after the other, so that they do not get in each other's way: name -> the last one. */
  const latest = new Map<string, Promise<void>>();

  return async (backend: Backend, revoked: Revoked): Promise<void> => {
    const { name } = backend.metadata;
    const before = latest.get(name) ?? Promise.resolve();
    const own = before.catch(unlessUnavailable).then(() => write(backend, revoked));
    latest.set(name, own);
    try {
      await own;
    } finally {
      if (latest.get(name) === own) latest.delete(name);
    }
  };

  async function write(asked: Backend, revoked: Revoked): Promise<void> {
    const { name, uid } = asked.metadata;
    for (let attempts = 1; ; attempts += 1) {
      const backend = await engine.backends.get(name);
      if (backend?.metadata.uid !== uid) {
        throw new SpawnerError("not_found", `The backend ${name} is gone: nobody is let in to it.`);
      }
      const { resourceVersion } = backend.metadata;
      const revocations = revocationPatch(backend, revoked, clock.now());
      try {
        // In the version that was read: what is forgotten by it must not have been written anew meanwhile.
        await engine.backends.patchStatus({ name, uid, resourceVersion }, { revocations });
        return;
      } catch (error) {
        if (!isSpawnerError(error, "conflict") || attempts >= attemptsMax) throw error;
      }
    }
  }
}

/** Where the store could not be asked it cannot be asked by whoever waits: each would wait for as long again. */
function unlessUnavailable(error: unknown): void {
  if (isSpawnerError(error, "unavailable")) throw error;
}
