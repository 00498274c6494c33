import { type ContenderName, contenderNames as names } from "./contender.ts";
import type { Load } from "./native.ts";

/** One kind of load, and who is put under it. */
export interface Scenario {
  readonly name: string;
  readonly load: Pick<Load, "kind" | "target" | "connections" | "bytes">;
  readonly contenders: readonly ContenderName[];
}

const relays = [names.sidecar, names.nginx, names.haproxy, names.copy];
const routers = [
  names.gateway,
  names.gatewayMany,
  names.gatewayTokens,
  names.nginxPaths,
  names.haproxyPaths,
  names.nodeProxy,
];
const all = [...relays, ...routers, names.direct];

const small = (connections: number): Scenario => ({
  name: `small responses, ${connections} ${connections === 1 ? "connection" : "connections"}`,
  load: { kind: "get", target: "/small", connections },
  contenders: all,
});
const websocket = (connections: number, bytes: number): Scenario => ({
  name: `WebSocket echo of ${bytes < 1_024 ? `${bytes} bytes` : `${bytes / 1_024} kB`}, ${connections} ${connections === 1 ? "connection" : "connections"}`,
  load: { kind: "websocket", target: "/echo", connections, bytes },
  contenders: all,
});

/** By key, since budgets and plots name them. */
export const scenarios = {
  small1: small(1),
  small50: small(50),
  small200: small(200),
  large: {
    name: "responses of 1 MB, 10 connections",
    load: { kind: "get", target: "/large", connections: 10 },
    contenders: all,
  },
  websocket1: websocket(1, 32),
  websocket100: websocket(100, 32),
} as const satisfies Record<string, Scenario>;

/** Those that have a budget: what `--quick` is content with. */
export const judgedScenarios: readonly Scenario[] = [scenarios.small50, scenarios.small200, scenarios.websocket100];

/** What `--full` adds. */
export const moreScenarios: readonly Scenario[] = [
  small(1_000),
  {
    name: "uploads of 1 MB, 10 connections",
    load: { kind: "upload", target: "/upload", connections: 10, bytes: 1_048_576 },
    contenders: all,
  },
  {
    name: "a new connection for each request, 20 at a time",
    load: { kind: "connect", target: "/small", connections: 20 },
    contenders: all,
  },
  websocket(10, 65_536),
  ...[1, 50].map((connections) => ({
    name: `two proxies in a row, ${connections} ${connections === 1 ? "connection" : "connections"}`,
    load: { kind: "get", target: "/small", connections } as const,
    contenders: [names.chain, names.nginxChain],
  })),
];
