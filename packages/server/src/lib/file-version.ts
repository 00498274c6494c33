import type { BigIntStats } from "node:fs";

/** Of files that others change: a change is seen by the first use this long after the last look. */
export const fileLookMs = 1_000;

/** Changes with every write, and with every other file under the same path. */
export function fileVersion({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}
