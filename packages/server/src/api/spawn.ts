import type { SpawnRequest, SpawnResponse } from "@spawner/client";
import { isSpawnerError, SpawnerError } from "../core/errors.ts";
import { makeId } from "../core/names.ts";
import type { CreateBackend } from "./limited-store.ts";
import { requestedSpec, type SpecOptions } from "./requested-spec.ts";
import { spawnResponse, type UrlConfig } from "./views.ts";

export interface SpawnOptions extends UrlConfig, SpecOptions {
  /** Resource names are this and the id. */
  readonly servicePrefix: string;
}

/** How often a new id is tried where one is taken. */
const idAttempts = 5;

/** What `POST /spawn` does: records a backend under an id of its own. Rejects with a SpawnerError. */
export function makeSpawn(
  create: CreateBackend,
  options: SpawnOptions,
): (request: SpawnRequest) => Promise<SpawnResponse> {
  return async (request) => {
    const spec = requestedSpec(request, options);
    for (let attempt = 1; ; attempt++) {
      const id = makeId();
      try {
        await create({ name: `${options.servicePrefix}${id}`, spec });
        return spawnResponse(id, options);
      } catch (error) {
        if (!isSpawnerError(error, "already_exists")) throw error;
        if (attempt < idAttempts) continue;
        throw new SpawnerError("unavailable", `No free id was found in ${idAttempts} attempts.`, { cause: error });
      }
    }
  };
}
