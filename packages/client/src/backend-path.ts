import { SpawnerClientError } from "./errors.ts";

/**
 * `/backend/<id>` and what follows. Throws `invalid_request` at an id that would make another path of it, a `TypeError` at
 * what is no string.
 */
export function backendPath(id: string, rest = ""): string {
  if (typeof id !== "string") throw new TypeError(`A backend's id must be a string, not ${JSON.stringify(id)}.`);
  if (id === "" || id === "." || id === ".." || !id.isWellFormed()) {
    throw new SpawnerClientError("invalid_request", `${JSON.stringify(id)} cannot be the id of a backend.`);
  }
  return `/backend/${encodeURIComponent(id)}${rest}`;
}

/** `?name=value…`, without those that are undefined; empty where all are. */
export function queryOf(entries: readonly (readonly [name: string, value: string | number | undefined])[]): string {
  const query = new URLSearchParams();
  for (const [name, value] of entries) if (value !== undefined) query.append(name, String(value));
  return query.size === 0 ? "" : `?${query}`;
}
