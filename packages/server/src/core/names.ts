import { randomInt } from "node:crypto";
import { SpawnerError } from "./errors.ts";

/** Resource names that the API makes start with this, as in 0.1.9 (`--service-prefix`). */
export const defaultServicePrefix = "spawner-";

/** First path segments that are the gateway's own; no backend is reachable under them. */
export const reservedIds: ReadonlySet<string> = new Set(["api", "healthz", "_spawner"]);

/** Without vowels and look-alikes, as Kubernetes generates names, so that no id spells a word. */
const idAlphabet = "bcdfghjklmnpqrstvwxz2456789";
/** 27^10 ids: about 47 bits, since an id alone opens a backend that asks for no token. */
const idLength = 10;

/** A new id: `idLength` random characters. */
export function makeId(): string {
  return Array.from({ length: idLength }, () => idAlphabet[randomInt(idAlphabet.length)]).join("");
}

/** An RFC 1123 label: what Kubernetes takes as the name of a Pod that a Service or a host name can point to. */
const labelPattern = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Whether `name` can name a backend: lower-case letters, digits and `-`, 63 characters at most (RFC 1123 label). */
export function isValidName(name: string): boolean {
  return labelPattern.test(name);
}

/** Throws a SpawnerError where `name` cannot name a backend. */
export function requireValidName(name: string): void {
  if (isValidName(name)) return;
  throw new SpawnerError(
    "invalid_request",
    `${JSON.stringify(name)} cannot name a backend: up to 63 lower-case letters, digits and "-" are needed`,
  );
}

/** Between ids, which clients see, and resource names, which the store has. */
export interface NameMapping {
  /** The resource name of the backend with this id, or undefined where no backend can have such an id. */
  nameOf(id: string): string | undefined;
  /** The id of the backend with this resource name, or undefined where the name is not of this prefix. */
  idOf(name: string): string | undefined;
}

/** The mapping of `--service-prefix`, one to one: names without the prefix have no id, and are not served. */
export function nameMapping(servicePrefix: string): NameMapping {
  if (servicePrefix !== "" && !isValidName(`${servicePrefix}x`)) {
    throw new SpawnerError(
      "invalid_request",
      `service prefix ${JSON.stringify(servicePrefix)} cannot start a name: lower-case letters, digits and "-" are needed`,
    );
  }
  return {
    nameOf(id) {
      if (!isValidName(id) || reservedIds.has(id)) return undefined;
      const name = `${servicePrefix}${id}`;
      return name === id || isValidName(name) ? name : undefined;
    },
    idOf(name) {
      const id = name.slice(servicePrefix.length);
      return name.startsWith(servicePrefix) && this.nameOf(id) === name ? id : undefined;
    },
  };
}
