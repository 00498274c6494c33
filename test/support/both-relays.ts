import { once } from "node:events";
import { connect } from "node:net";
import { onTestFinished } from "vitest";
import type { RelayHostState } from "../../packages/server/src/core/relay-host.ts";
import { reachedPatch } from "../../packages/server/src/core/status.ts";
import { identityOf } from "../../packages/server/src/core/workload.ts";
import { openForRecords } from "../../packages/server/src/engine/process/fixtures/records-only.ts";
import { type GatewayConfig, run } from "../../packages/server/src/gateway/index.ts";
import { systemClock } from "../../packages/server/src/lib/clock.ts";
import { silentLog } from "../../packages/server/src/lib/log.ts";
import { Metrics } from "../../packages/server/src/lib/metrics.ts";
import { Peer } from "../../packages/server/src/relay/fixture.ts";
import { BackendRelayHost } from "../../packages/server/src/sidecar/index.ts";

/**
 * A gateway and a relay host in this process, one behind the other, before a server that is the test's own: what is asked
 * for below `/b/` gets there. Gone with the test.
 */
export async function openBothRelays(upstream: { host: string; port: number }, config: Partial<GatewayConfig> = {}) {
  const clock = systemClock;
  const engine = await openForRecords(clock);
  const { backends } = engine;
  const backend = await backends.create({ name: "b", spec: { template: { containers: [{}] } } });
  const identity = identityOf(backend);
  const limits = config.limits ?? {};
  const relayHost = await BackendRelayHost.open(
    { host: "127.0.0.1", port: 0, identity, gracePeriodSeconds: 300, firstClientSeconds: 30, limits },
    { clock },
  );
  relayHost.programListens(upstream);
  const address = { ip: "127.0.0.1", port: relayHost.port, nodeName: "here", workloadUID: "w" };
  await backends.patchStatus(backend.metadata, reachedPatch(backend, { Ready: new Date() }, address) ?? {});
  const gateway = await run(
    { host: "127.0.0.1", port: 0, servicePrefix: "", forwardedProto: "http", parkedMax: 10, ...config },
    { engine, clock, log: silentLog, metrics: new Metrics() },
  );
  const sockets: Peer[] = [];
  onTestFinished(async () => {
    for (const { socket } of sockets) socket.destroy();
    await gateway.close();
    await relayHost.close();
  });
  return {
    url: `http://127.0.0.1:${gateway.port}/b`,
    port: gateway.port,
    relayHost,
    /** What the relay host says of itself at this moment. */
    state: () =>
      new Promise<RelayHostState>((resolve) => {
        const unwatch = relayHost.watch({
          onState(state) {
            unwatch();
            resolve(state);
          },
          onLost() {},
        });
      }),
    /** A raw connection to the gateway. */
    async client(): Promise<Peer> {
      const socket = connect({ host: "127.0.0.1", port: gateway.port, allowHalfOpen: true });
      const peer = new Peer(socket);
      sockets.push(peer);
      await once(socket, "connect");
      return peer;
    },
  };
}
