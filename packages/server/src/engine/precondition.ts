import { SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import type { Precondition } from "./engine.ts";

/** The backend that was found, if it is the one and the version that is meant. Throws not_found or conflict. */
export function required(found: Backend | undefined, { name, uid, resourceVersion }: Precondition): Backend {
  if (found === undefined || found.metadata.uid !== uid) {
    throw new SpawnerError("not_found", `There is no backend ${name} with the UID ${uid}.`);
  }
  if (resourceVersion !== undefined && found.metadata.resourceVersion !== resourceVersion) {
    throw new SpawnerError(
      "conflict",
      `Backend ${name} is at version ${found.metadata.resourceVersion}, not at ${resourceVersion}: read it again.`,
    );
  }
  return found;
}
