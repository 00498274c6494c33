import { hash } from "node:crypto";

/** Without vowels and look-alikes, as names that are made at random. */
const idAlphabet = "bcdfghjklmnpqrstvwxz2456789";
/** 27^24 ids, about 114 bits: two keys never meet by chance, nor by anybody's search. */
const idLength = 24;
/** As many characters as a number holds exactly: 27^8 is below 2^53. Whole numbers of any size (BigInt) take longer by far. */
const charactersAtOnce = 8;
const base = idAlphabet.length;
const baseAtOnce = BigInt(base ** charactersAtOnce);

/** Longest key, in bytes of UTF-8: what fits into an environment variable, a log line and a person's sight. */
export const keyBytesMax = 512;

/**
 * The id of every backend of this key. A function of the key alone, so that the uniqueness of names, which each store has,
 * is what holds at most one backend of a key.
 */
export function idOfKey(key: string): string {
  let value = BigInt(`0x${hash("sha256", `spawner.dev/key\0${key}`)}`);
  let id = "";
  while (id.length < idLength) {
    let digits = Number(value % baseAtOnce);
    value /= baseAtOnce;
    for (let index = 0; index < charactersAtOnce; index++) {
      id += idAlphabet[digits % base];
      digits = Math.floor(digits / base);
    }
  }
  return id;
}
