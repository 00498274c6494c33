import type { Clock } from "../lib/clock.ts";
import { ListenProbe } from "../lib/listen-probe.ts";
import { readSocketCounts } from "../lib/listening-sockets.ts";
import type { Listening } from "../lib/running.ts";
import { openControlServer } from "./control-server.ts";
import { BackendRelayHost, type RelayHostConfig } from "./relay-host.ts";

export interface SidecarConfig extends RelayHostConfig {
  /** Port of the program, in the same network namespace. */
  readonly upstreamPort: number;
  readonly controlPort: number;
  /** SHA-256 of the token that control requests must carry, in hexadecimal. Default: none is asked for. */
  readonly controlTokenSha256?: string;
}

export interface Sidecar extends Listening {
  readonly controlPort: number;
}

/** A relay host as a process of its own, beside the program that it serves. */
export async function run(config: SidecarConfig, { clock }: { clock: Clock }): Promise<Sidecar> {
  const relayHost = await BackendRelayHost.open(config, { clock });
  const stop = new AbortController();
  const { host, controlPort, controlTokenSha256: tokenSha256, upstreamPort } = config;
  const control = await openControlServer(
    { host, port: controlPort, ...(tokenSha256 === undefined ? {} : { tokenSha256 }) },
    { relayHost, clock },
  ).catch(async (error: unknown) => {
    await relayHost.close();
    throw error;
  });
  new ListenProbe(clock).waitFor(upstreamPort, { sign: readSocketCounts, signal: stop.signal }).then(
    (upstreamHost) => relayHost.programListens({ host: upstreamHost, port: upstreamPort }),
    () => {}, // closed before the program listened
  );
  return {
    host,
    port: relayHost.port,
    controlPort: control.port,
    async close() {
      stop.abort();
      // In this order: while the last answers leave, an open port is all that keeps the process alive.
      await relayHost.close();
      await control.close();
    },
  };
}
