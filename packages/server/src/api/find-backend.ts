import { SpawnerError } from "../core/errors.ts";
import type { Backend } from "../core/resource.ts";
import type { RouteDeps } from "./route-deps.ts";

/** The backend with this id. Rejects with not_found. */
export async function findBackend(
  { engine, names }: Pick<RouteDeps, "engine" | "names">,
  id: string,
): Promise<Backend> {
  const name = names.nameOf(id);
  const backend = name === undefined ? undefined : await engine.backends.get(name);
  if (backend !== undefined) return backend;
  const given = JSON.stringify(id.length > 80 ? `${id.slice(0, 80)}…` : id);
  throw new SpawnerError("not_found", `There is no backend ${given}: it never was, or its record is gone.`);
}
