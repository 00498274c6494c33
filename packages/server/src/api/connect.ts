import { type ConnectRequest, type ConnectResponse, tokenParameter } from "@spawner/client";
import type { ConnectionTokenSigner } from "../core/connection-token.ts";
import { SpawnerError } from "../core/errors.ts";
import { revocationOf } from "../core/revocations.ts";
import { stateOf } from "../core/status.ts";
import { identityOf } from "../core/workload.ts";
import { Holds } from "./holds.ts";
import { type ObtainDeps, type Obtained, Obtainer } from "./obtain-backend.ts";
import type { SpawnOptions } from "./spawn.ts";
import { refuseTakenBack } from "./taken-back.ts";
import { spawnResponse } from "./views.ts";
import { waitUntilReady } from "./wait-until-ready.ts";
import { wantedBackend } from "./wanted-backend.ts";

const defaultTtlSeconds = 3_600;

export interface ConnectDeps extends Omit<ObtainDeps, "holds"> {
  readonly signer: ConnectionTokenSigner;
}

/** Rejects with a SpawnerError, or with the signal's reason where that aborts what has to be waited for. */
export type Connect = (request: ConnectRequest, options: { signal: AbortSignal }) => Promise<ConnectResponse>;

/** What `POST /connect` does: a live backend of the key, held for its client, and a token for it. */
export function makeConnect(deps: ConnectDeps, options: SpawnOptions): Connect {
  const holds = new Holds(deps);
  const obtainer = new Obtainer({ ...deps, holds });
  return async (request, { signal }) => {
    // Before anything is made: without a key to sign with, nobody could reach it.
    if (!deps.signer.canSign) throw new SpawnerError("unavailable", "There is no key to sign connection tokens with.");
    const wanted = wantedBackend(request, options);
    const obtained = await obtainer.obtain(wanted, { signal });
    const { waitReady, user } = request;
    if (!waitReady) return answer(request, obtained);
    const backend = await waitUntilReady({ ...deps, holds }, obtained.backend, { signal });
    refuseTakenBack(revocationOf(obtained.backend, user), backend, user);
    return answer(request, { ...obtained, backend });
  };

  function answer(request: ConnectRequest, { backend, spawned, stale, previousFailure }: Obtained): ConnectResponse {
    const { key, user, auth, tokenTtlSeconds: ttlSeconds = defaultTtlSeconds } = request;
    const revocation = revocationOf(backend, user);
    const signed = deps.signer.sign(
      {
        backend: identityOf(backend),
        ...(user === undefined ? {} : { user }),
        ...(auth === undefined ? {} : { auth }),
        ...(revocation === undefined ? {} : { revocation }),
      },
      { ttlSeconds },
    );
    if (signed === undefined) throw new SpawnerError("unavailable", "The key to sign with has just gone.");
    const { text: token, expiresAt } = signed;
    const id = backend.metadata.name.slice(options.servicePrefix.length);
    const { url, statusUrl } = spawnResponse(id, options);
    return {
      backend: id,
      generation: backend.metadata.uid,
      ...(key === undefined ? {} : { key }),
      ...(url === undefined ? {} : { url: `${url}${url.includes("?") ? "&" : "?"}${tokenParameter}=${token}` }),
      token,
      tokenExpiresAt: expiresAt.toISOString(),
      ...(statusUrl === undefined ? {} : { statusUrl }),
      spawned,
      stale,
      state: stateOf(backend),
      ...(previousFailure === undefined ? {} : { previousFailure }),
    };
  }
}
