// The gateway's role as a process of its own, over records in memory: node gateway.ts PATHS UPSTREAM_PORT [SIGNING_KEY]
// All of that many backends are ready, and at the same address; with a key (ID:SECRET) they ask for tokens that it has signed.
// It says on which port it serves, and ends with its stdin.
import type { Backend } from "../../packages/server/src/core/resource.ts";
import { parseSigningKeys } from "../../packages/server/src/core/signing-keys.ts";
import type { BackendStore, Engine } from "../../packages/server/src/engine/index.ts";
import { run } from "../../packages/server/src/gateway/index.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";
import { Metrics } from "../../packages/server/src/lib/metrics.ts";
import { pathNames, uidOf } from "../relay/contender.ts";

const [paths, upstreamPort] = process.argv.slice(2, 4).map(Number);
const keys = parseSigningKeys(process.argv[4] ?? "");
if (paths === undefined || upstreamPort === undefined) throw new Error("PATHS and UPSTREAM_PORT are needed");

const backends = new Map(pathNames(paths).map((name) => [name, readyBackend(name, upstreamPort)]));

const notHere = () => Promise.reject(new Error("the gateway only reads"));
const store: BackendStore = {
  create: notHere,
  get: async (name) => backends.get(name),
  list: async () => ({ items: [...backends.values()] }),
  watch(onChange) {
    queueMicrotask(() => {
      for (const backend of backends.values()) onChange({ kind: "changed", backend });
      onChange({ kind: "synced" });
    });
    return () => {};
  },
  patchStatus: notHere,
  requestStop: notHere,
  delete: notHere,
};

const engine: Engine = {
  backends: store,
  get workloads(): never {
    throw new Error("the gateway asks for no workloads");
  },
  relayHost: () => undefined,
  close: async () => {},
};

const gateway = await run(
  {
    host: "127.0.0.1",
    port: 0,
    servicePrefix: "",
    forwardedProto: "http",
    parkedMax: 1_000,
    requireToken: keys.length > 0,
  },
  { engine, clock: systemClock, log: silentLog, metrics: new Metrics(), signingKeys: () => keys },
);
console.log(`serving on port ${gateway.port}`);
process.on("SIGTERM", () => void gateway.close());
process.stdin.on("end", () => void gateway.close()).resume();

function readyBackend(name: string, port: number): Backend {
  return {
    metadata: {
      name,
      uid: uidOf(name),
      labels: {},
      resourceVersion: "1",
      creationTimestamp: new Date().toISOString(),
    },
    spec: { template: { containers: [{ name: "program", image: "program" }] } },
    status: {
      submitted: true,
      constructed: true,
      scheduled: true,
      running: true,
      ready: true,
      podIP: "127.0.0.1",
      podUID: "1",
      port,
    },
  };
}
