import { specDefaults } from "../core/spec-defaults.ts";
import { parseSha256, parseWholeNumber, portRange, secondsRange } from "./flag-values.ts";
import { type RelayFlags, relayFlags } from "./relay-flags.ts";
import type { ValueFlag } from "./value-flag.ts";

/** What `sidecar` is told, each as a flag or as `SPAWNER_<FLAG>`. */
export interface SidecarFlags extends RelayFlags {
  host: string;
  servePort: number;
  controlPort: number;
  upstreamPort: number;
  gracePeriod: number;
  firstClient: number;
  silentConnection: number;
  identity?: string;
  controlTokenSha256?: string;
  programToken?: string;
  eventsOnServePort: boolean;
}

const text = (value: string) => value;
const port = (value: string) => parseWholeNumber(value, portRange);
const seconds = (value: string) => parseWholeNumber(value, secondsRange);

/** The flags, for whichever parser reads them: the sidecar alone in its file does without Commander. */
export const sidecarFlags: readonly ValueFlag<keyof SidecarFlags>[] = [
  {
    name: "host",
    key: "host",
    value: "address",
    description: "address to listen on",
    default: "::", // and every one of IPv4; those alone where there is no IPv6
    parse: text,
  },
  {
    name: "serve-port",
    key: "servePort",
    value: "port",
    description: "port that is relayed to the program",
    default: 9090,
    parse: port,
  },
  {
    name: "control-port",
    key: "controlPort",
    value: "port",
    description: "port of /_events, /hold, /seal and /busy",
    default: 9091,
    parse: port,
  },
  {
    name: "upstream-port",
    key: "upstreamPort",
    value: "port",
    description: "port of the program; 0: the first on which anything else listens",
    default: specDefaults.httpPort,
    parse: port,
  },
  {
    name: "grace-period",
    key: "gracePeriod",
    value: "seconds",
    description: "time without a client that counts as idle",
    default: specDefaults.gracePeriodSeconds,
    parse: seconds,
  },
  {
    name: "first-client",
    key: "firstClient",
    value: "seconds",
    description: "time to wait for a first client at least",
    default: specDefaults.firstClientSeconds,
    parse: seconds,
  },
  {
    name: "silent-connection",
    key: "silentConnection",
    value: "seconds",
    description: "time without data after which a WebSocket is no client, pings apart; 0: it is one until it closes",
    default: specDefaults.silentConnectionSeconds,
    parse: seconds,
  },
  {
    name: "identity",
    key: "identity",
    value: "name/uid",
    description: "refuse requests that are meant for another backend",
    parse: text,
  },
  {
    name: "control-token-sha256",
    key: "controlTokenSha256",
    value: "hex",
    description: "SHA-256 of the bearer token that the control port asks for",
    parse: parseSha256,
  },
  {
    name: "program-token",
    key: "programToken",
    value: "token",
    description: "bearer token of the program for /busy, which it can ask for by a loopback address alone",
    parse: text,
  },
  ...relayFlags,
];

/** The flags that are given or not. */
export const sidecarSwitches = [
  {
    name: "events-on-serve-port",
    key: "eventsOnServePort",
    description: "answer /_events on the serve port too, for the sweeper of 0.1.9",
  },
] as const satisfies readonly { name: string; key: keyof SidecarFlags; description: string }[];
