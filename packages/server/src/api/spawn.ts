import type { SpawnRequest, SpawnResponse } from "@spawner/client";
import { problemsOfEnvironment } from "../core/environment.ts";
import { isSpawnerError, SpawnerError } from "../core/errors.ts";
import { matchesImage } from "../core/image-patterns.ts";
import { makeId } from "../core/names.ts";
import type { CreateBackend } from "./limited-store.ts";
import { type SpecDefaults, spawnResponse, specOfRequest, type UrlConfig, variablesOf } from "./views.ts";

export interface SpawnOptions extends UrlConfig {
  /** Resource names are this and the id. */
  readonly servicePrefix: string;
  /** For what requests leave out. */
  readonly defaults?: SpecDefaults;
  /** Images that callers may choose, as patterns (core/image-patterns.ts). Default: any. */
  readonly images?: readonly string[];
}

/** How often a new id is tried where one is taken. */
const idAttempts = 5;

/** What `POST /spawn` does: records a backend under an id of its own. Rejects with a SpawnerError. */
export function makeSpawn(
  create: CreateBackend,
  options: SpawnOptions,
): (request: SpawnRequest) => Promise<SpawnResponse> {
  return async (request) => {
    refuseBadRequest(request, options);
    const spec = specOfRequest(request, options.defaults ?? {});
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

/** What the schema of a request cannot say. Throws invalid_request. */
export function refuseBadRequest({ env = {}, image }: SpawnRequest, { images }: Pick<SpawnOptions, "images">): void {
  if (image !== undefined && images !== undefined && !images.some((pattern) => matchesImage(pattern, image))) {
    throw new SpawnerError(
      "invalid_request",
      `image must be one of those that are allowed here (--images); ${JSON.stringify(image)} was given.`,
    );
  }
  const problems = problemsOfEnvironment(variablesOf(env), { whole: "env", of: ({ name }) => `env.${name}` });
  if (problems.length > 0) throw new SpawnerError("invalid_request", `${problems.join("; ")}.`);
}
