/** Apart from what serves, so that a command line has the defaults without loading it. */
export { defaultLimits, type RelayLimits } from "../relay/limits.ts";
