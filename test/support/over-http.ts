// Spawner as it is on a cluster, as far as one machine goes: every relay host is asked over HTTP, as by a process of its own,
// and each write to the store takes some milliseconds, before it is made and after. `node over-http.ts STATE_DIR`; prints
// its address, and ends with its sessions on SIGTERM.
import { fileURLToPath } from "node:url";
import { run as runApi } from "../../packages/server/src/api/index.ts";
import { run as runController } from "../../packages/server/src/controller/index.ts";
import { openTemplates } from "../../packages/server/src/embedded/open-templates.ts";
import { HttpRelayHost } from "../../packages/server/src/engine/http-relay-host.ts";
import type { BackendStore, Engine } from "../../packages/server/src/engine/index.ts";
import { type OpenRelayHost, ProcessEngine } from "../../packages/server/src/engine/process/index.ts";
import { run as runGateway } from "../../packages/server/src/gateway/index.ts";
import { systemClock as clock } from "../../packages/server/src/lib/clock.ts";
import { silentLog as log } from "../../packages/server/src/lib/log.ts";
import { Metrics } from "../../packages/server/src/lib/metrics.ts";
import { pause } from "../../packages/server/src/lib/pause.ts";
import type { Upstream } from "../../packages/server/src/relay/index.ts";
import { openControlServer } from "../../packages/server/src/sidecar/control-server.ts";
import { BackendRelayHost } from "../../packages/server/src/sidecar/index.ts";
import { run as runSweeper } from "../../packages/server/src/sweeper/index.ts";

const host = "127.0.0.1";
const writeMsMost = 5;
const servicePrefix = "spawner-";
const program = fileURLToPath(new URL("program.mjs", import.meta.url));

const openRelayHost: OpenRelayHost = async (options) => {
  const relayHost = await BackendRelayHost.open({ ...options, host }, { clock });
  const control = await openControlServer({ host, port: 0 }, { relayHost, clock });
  return {
    port: relayHost.port,
    control: new HttpRelayHost({ controlUrl: `http://${host}:${control.port}` }, { clock }),
    programListens: (upstream) => relayHost.programListens(upstream),
    end: () => relayHost.end(),
    async close() {
      await Promise.all([relayHost.close(), control.close()]);
    },
  };
};

const local = await ProcessEngine.open({
  stateDir: process.argv[2] ?? "",
  backendsMax: 1_000,
  openRelayHost,
  clock,
});
const store = local.backends;
const someTime = () => pause(clock, Math.random() * writeMsMost);
const backends: BackendStore = {
  create: (draft) => store.create(draft),
  get: (name) => store.get(name),
  list: (query) => store.list(query),
  watch: (onChange) => store.watch(onChange),
  requestStop: (target, options) => store.requestStop(target, options),
  delete: (target) => store.delete(target),
  async patchStatus(target, patch) {
    await someTime();
    const written = await store.patchStatus(target, patch);
    await someTime();
    return written;
  },
};
const engine: Engine = {
  backends,
  workloads: local.workloads,
  relayHost: (backend) => local.relayHost(backend),
  close: () => local.close(),
};
const deps = { engine, clock, log, metrics: new Metrics() };

const apiStarted = Promise.withResolvers<Upstream>();
const gateway = await runGateway(
  { host, port: 0, servicePrefix, forwardedProto: "http", parkedMax: 1_000 },
  { ...deps, api: apiStarted.promise },
);
const url = `http://${host}:${gateway.port}`;
const urls = { servicePrefix, apiServerBase: `${url}/api`, urlTemplate: `${url}/{}/` };
const defaults = { gracePeriodSeconds: 1 };
const templates = await openTemplates({ template: { command: [process.execPath, program], cwd: process.cwd() } }, deps);
const running = { defaults, templates, imageNamesTemplate: true };
const api = await runApi({ host, port: 0, ...urls, auth: { kind: "anonymous" }, ...running }, deps);
apiStarted.resolve({ host: api.host, port: api.port, connect: api.openConnection });
const controller = runController({ retainSeconds: 3_600, recordsMax: 10_000, concurrency: 8 }, deps);
const sweeper = runSweeper({}, deps);

process.on("SIGTERM", async () => {
  await controller.drain({ graceSecondsMax: 0 });
  for (const part of [sweeper, controller, api, gateway, engine]) await part.close();
  process.exit();
});
console.log(`${url}/ serves`);
