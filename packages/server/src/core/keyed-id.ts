import { createHash } from "node:crypto";

/** Without vowels and look-alikes, as names that are made at random. */
const idAlphabet = "bcdfghjklmnpqrstvwxz2456789";
/** 27^24 ids, about 114 bits: two keys never meet by chance, nor by anybody's search. */
const idLength = 24;

/** Longest key, in bytes of UTF-8: what fits into an environment variable, a log line and a person's sight. */
export const keyBytesMax = 512;

/**
 * The id of every backend of this key. A function of the key alone, so that the uniqueness of names, which each store has,
 * is what holds at most one backend of a key.
 */
export function idOfKey(key: string): string {
  let value = BigInt(`0x${createHash("sha256").update(`spawner.dev/key\0${key}`).digest("hex")}`);
  const base = BigInt(idAlphabet.length);
  let id = "";
  for (let index = 0; index < idLength; index++) {
    id += idAlphabet[Number(value % base)];
    value /= base;
  }
  return id;
}
