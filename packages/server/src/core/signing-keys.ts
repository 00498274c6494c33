import { randomBytes } from "node:crypto";
import { SpawnerError } from "./errors.ts";

/** One key that connection tokens are signed with (HMAC-SHA-256). */
export interface SigningKey {
  /** Told in each token (`kid`, RFC 7515 4.1.4), so that keys can be replaced while old tokens are about. */
  readonly id: string;
  readonly secret: string;
}

/** RFC 7518 3.2: a key as long as the hash at least. */
const secretBytes = 32;
const linePattern = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9_-]{43,256})$/;

/** A key that nobody can guess. */
export function makeSigningKey(now: Date): SigningKey {
  return { id: now.toISOString().slice(0, 10), secret: randomBytes(secretBytes).toString("base64url") };
}

/**
 * Keys as they are stored: `ID:SECRET`, one a line; `#` begins a comment. The first one signs, all of them verify, so that a
 * new key is put in front and the old one taken out when its last token has expired. Throws a SpawnerError that names the line.
 */
export function parseSigningKeys(text: string): SigningKey[] {
  const keys: SigningKey[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, id, secret] = linePattern.exec(line.trim()) ?? [];
    if (id === undefined || secret === undefined) throw unusable(index, "it is not ID:SECRET");
    if (keys.some((key) => key.id === id)) throw unusable(index, `a key ${JSON.stringify(id)} was there before`);
    keys.push({ id, secret });
  }
  return keys;
}

/** The inverse of `parseSigningKeys`. */
export function formatSigningKeys(keys: readonly SigningKey[]): string {
  return keys.map(({ id, secret }) => `${id}:${secret}\n`).join("");
}

/** Never says what stands in the line. */
function unusable(index: number, why: string): SpawnerError {
  return new SpawnerError(
    "invalid_request",
    `Line ${index + 1} of the signing keys cannot be used: ${why}. ID:SECRET is needed, SECRET being ${secretBytes} random bytes or more in base64url.`,
  );
}
