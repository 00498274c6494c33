import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");

/** Has this process free what nobody holds any more. */
export const collectGarbage: () => void = runInNewContext("gc");
