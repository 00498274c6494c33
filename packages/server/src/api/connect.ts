import { type ConnectRequest, type ConnectResponse, tokenParameter } from "@spawner/client";
import type { ConnectionTokenSigner } from "../core/connection-token.ts";
import { deadlines } from "../core/deadlines.ts";
import { SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import { revocationOf } from "../core/revocations.ts";
import { hasEnded, stateOf, statusMessage } from "../core/status.ts";
import { identityOf } from "../core/workload.ts";
import { nextChange } from "./next-change.ts";
import { type ObtainDeps, type Obtained, Obtainer } from "./obtain-backend.ts";
import type { SpawnOptions } from "./spawn.ts";
import { spawnResponse } from "./views.ts";
import { wantedBackend } from "./wanted-backend.ts";

const defaultTtlSeconds = 3_600;

export interface ConnectDeps extends ObtainDeps {
  readonly signer: ConnectionTokenSigner;
}

/** What `POST /connect` does: a live backend of the key, held for its client, and a token for it. Rejects with a SpawnerError. */
export function makeConnect(deps: ConnectDeps, options: SpawnOptions) {
  const obtainer = new Obtainer(deps);
  return async (request: ConnectRequest): Promise<ConnectResponse> => {
    // Before anything is made: without a key to sign with, nobody could reach it.
    if (!deps.signer.canSign) throw new SpawnerError("unavailable", "There is no key to sign connection tokens with.");
    const wanted = wantedBackend(request, options);
    const obtained = await obtainer.obtain(wanted);
    const backend = request.waitReady ? await waitUntilReady(deps, obtained.backend) : obtained.backend;
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

/** The backend when it is ready, or when `waitReadyMs` are over. Rejects with `backend_ended` where it ends before. */
async function waitUntilReady(deps: ConnectDeps, first: Backend): Promise<Backend> {
  const untilMs = deps.clock.monotonicMs() + deadlines.waitReadyMs;
  for (let backend = first; ; ) {
    if (hasEnded(backend)) throw endedBeforeReady(statusMessage(backend).message);
    const mostMs = untilMs - deps.clock.monotonicMs();
    if (stateOf(backend) === "Ready" || mostMs <= 0) return backend;
    const latest = await nextChange(deps, backend, { mostMs });
    if (latest === undefined) throw endedBeforeReady("Its record was deleted.");
    backend = latest;
  }
}

function endedBeforeReady(message = ""): SpawnerError {
  return new SpawnerError("backend_ended", `The backend ended before it was ready. ${message}`.trim());
}
