import type { ConnectRequest, SpecChangePolicy } from "@spawner/client";
import { SpawnerError } from "../core/errors.ts";
import { idOfKey, keyBytesMax } from "../core/keyed-id.ts";
import { makeId } from "../core/names.ts";
import type { BackendSpec } from "../core/resource.ts";
import { requestedSpec } from "./requested-spec.ts";
import type { SpawnOptions } from "./spawn.ts";

/** What a caller of `connect` wants, in the words of the store. */
export interface WantedBackend {
  /** Resource name: a function of the key where there is one, else an id of its own. */
  readonly name: string;
  readonly key: string | undefined;
  readonly onSpecChange: SpecChangePolicy;
  readonly spec: BackendSpec;
}

const authBytesMax = 2_048;

/** Throws invalid_request. */
export function wantedBackend(request: ConnectRequest, options: SpawnOptions): WantedBackend {
  const { servicePrefix } = options;
  const { key, onSpecChange = "whenIdle", user, auth, tokenTtlSeconds: _, waitReady: __, ...spawn } = request;
  const spec = requestedSpec(spawn, options);
  refuseBadKey(key);
  refuseLongAuth(auth);
  return {
    name: `${servicePrefix}${key === undefined ? makeId() : idOfKey(key)}`,
    key,
    onSpecChange,
    spec: {
      ...spec,
      requireToken: true,
      ...(key === undefined ? {} : { key }),
      ...(user === undefined ? {} : { user }),
    },
  };
}

/** What the schema of a request cannot say. */
function refuseBadKey(key: string | undefined): void {
  if (key === undefined) return;
  const bytes = Buffer.byteLength(key);
  if (bytes > keyBytesMax) {
    throw new SpawnerError(
      "invalid_request",
      `key must have at most ${keyBytesMax} bytes in UTF-8; ${bytes} were given.`,
    );
  }
}

/** It goes along with every request. */
function refuseLongAuth(auth: object | undefined): void {
  const bytes = auth === undefined ? 0 : Buffer.byteLength(JSON.stringify(auth));
  if (bytes <= authBytesMax) return;
  throw new SpawnerError(
    "invalid_request",
    `auth must have at most ${authBytesMax} bytes as JSON; ${bytes} were given.`,
  );
}
