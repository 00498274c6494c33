import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");

/** Has this process free what nobody holds any more. */
export const collectGarbage: () => void = runInNewContext("gc");

/** What is on this process's heap that somebody holds. */
export function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
