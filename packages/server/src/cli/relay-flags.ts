import { defaultLimits, type RelayLimits } from "../sidecar/limits.ts";
import { type NumberRange, parseWholeNumber } from "./flag-values.ts";
import type { ValueFlag } from "./value-flag.ts";

/** What whatever relays takes, each as a flag or as `SPAWNER_<FLAG>`: times in seconds. */
export interface RelayFlags {
  headBytesMax: number;
  headerCountMax: number;
  headTimeout: number;
  bodyTimeout: number;
  bodyBytesMax: number;
  keepAliveTimeout: number;
  connectTimeout: number;
  upgradeTimeout: number;
  responseTimeout: number;
  connectionsMax: number;
}

const counts: NumberRange = { least: 1, most: 1_000_000 };
const seconds: NumberRange = { least: 1, most: 86_400 };
const secondsOrNone: NumberRange = { ...seconds, least: 0 };

/** The flags, for whichever parser reads them. */
export const relayFlags: readonly ValueFlag<keyof RelayFlags>[] = [
  limit("head-bytes-max", "headBytesMax", {
    value: "bytes",
    description: "longest head of a request or response; longer ones get 431, or are 502",
    default: defaultLimits.headBytesMax,
    range: { least: 1_024, most: 1_048_576 },
  }),
  limit("header-count-max", "headerCountMax", {
    value: "count",
    description: "most fields in a head; more get 431, or are 502",
    default: defaultLimits.headerCountMax,
    range: { least: 8, most: 10_000 },
  }),
  limit("head-timeout", "headTimeout", {
    value: "seconds",
    description: "time for the head of a request to come, then 408",
    default: defaultLimits.headTimeoutMs / 1000,
    range: seconds,
  }),
  limit("body-timeout", "bodyTimeout", {
    value: "seconds",
    description: "time without a byte of a request's body, then 408",
    default: defaultLimits.bodyTimeoutMs / 1000,
    range: seconds,
  }),
  limit("body-bytes-max", "bodyBytesMax", {
    value: "bytes",
    description: "longest body of a request, longer ones get 413; 0: any",
    default: defaultLimits.bodyBytesMax,
    range: { least: 0, most: Number.MAX_SAFE_INTEGER },
  }),
  limit("keep-alive-timeout", "keepAliveTimeout", {
    value: "seconds",
    description: "time for which a connection without a request stays open",
    default: defaultLimits.idleTimeoutMs / 1000,
    range: seconds,
  }),
  limit("connect-timeout", "connectTimeout", {
    value: "seconds",
    description: "time to connect to a program, three times at most, then 504",
    default: defaultLimits.connectTimeoutMs / 1000,
    range: seconds,
  }),
  limit("upgrade-timeout", "upgradeTimeout", {
    value: "seconds",
    description: "time in which a request for an upgrade is answered, then 504",
    default: defaultLimits.upgradeTimeoutMs / 1000,
    range: seconds,
  }),
  limit("response-timeout", "responseTimeout", {
    value: "seconds",
    description: "time in which any other answer begins, then 504; 0: any",
    default: defaultLimits.responseTimeoutMs / 1000,
    range: secondsOrNone,
  }),
  limit("connections-max", "connectionsMax", {
    value: "count",
    description: "most open connections of clients; more get 503",
    default: defaultLimits.connectionsMax,
    range: counts,
  }),
];

/** What the flags say, as the relay takes it. */
export function limitsOf(flags: RelayFlags): Partial<RelayLimits> {
  return {
    headBytesMax: flags.headBytesMax,
    headerCountMax: flags.headerCountMax,
    headTimeoutMs: flags.headTimeout * 1000,
    bodyTimeoutMs: flags.bodyTimeout * 1000,
    bodyBytesMax: flags.bodyBytesMax,
    idleTimeoutMs: flags.keepAliveTimeout * 1000,
    connectTimeoutMs: flags.connectTimeout * 1000,
    upgradeTimeoutMs: flags.upgradeTimeout * 1000,
    responseTimeoutMs: flags.responseTimeout * 1000,
    connectionsMax: flags.connectionsMax,
  };
}

interface Limit {
  readonly value: string;
  readonly description: string;
  readonly default: number;
  readonly range: NumberRange;
}

function limit(name: string, key: keyof RelayFlags, { range, ...rest }: Limit): ValueFlag<keyof RelayFlags> {
  return { name, key, ...rest, parse: (text) => parseWholeNumber(text, range) };
}
