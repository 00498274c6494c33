import { createHash } from "node:crypto";
import type { Clock } from "../lib/clock.ts";
import { ListenProbe } from "../lib/listen-probe.ts";
import { readSocketCounts } from "../lib/listening-sockets.ts";
import type { Listening } from "../lib/running.ts";
import type { Upstream } from "../relay/index.ts";
import { openControlServer } from "./control-server.ts";
import { expose } from "./figures.ts";
import { BackendRelayHost, type RelayHostConfig } from "./relay-host.ts";

export interface SidecarConfig extends RelayHostConfig {
  /** Port of the program, in the same network namespace. 0: the first on which anything listens but the sidecar itself. */
  readonly upstreamPort: number;
  readonly controlPort: number;
  /** SHA-256 of the token that control requests must carry, in hexadecimal. Default: none is asked for. */
  readonly controlTokenSha256?: string;
  /** What the program must say to be busy (`PUT /busy`), over the loopback address. Default: none is asked for. */
  readonly programToken?: string;
}

export interface Sidecar extends Listening {
  readonly controlPort: number;
}

/** A relay host as a process of its own, beside the program that it serves. */
export async function run(config: SidecarConfig, { clock }: { clock: Clock }): Promise<Sidecar> {
  const relayHost = await BackendRelayHost.open(config, { clock });
  const stop = new AbortController();
  const { host, controlPort, controlTokenSha256: tokenSha256, programToken, upstreamPort } = config;
  const control = await openControlServer(
    {
      host,
      port: controlPort,
      ...(tokenSha256 === undefined ? {} : { tokenSha256 }),
      ...(programToken === undefined ? {} : { programTokenSha256: sha256Of(programToken) }),
    },
    { relayHost, clock, metrics: () => expose(relayHost.figures()) },
  ).catch(async (error: unknown) => {
    await relayHost.close();
    throw error;
  });
  const own = [...relayHost.ports, control.port];
  waitForProgram(upstreamPort, { own, clock, signal: stop.signal }).then(
    (upstream) => relayHost.programListens(upstream),
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

function sha256Of(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Only in case that a socket listened just when another one was closed, so that there were as many as before. */
const tableEveryMs = 1_000;

async function waitForProgram(
  port: number,
  { own, clock, signal }: { own: readonly number[]; clock: Clock; signal: AbortSignal },
): Promise<Upstream> {
  const probe = new ListenProbe(clock);
  const options = { sign: readSocketCounts, tableEveryMs, signal };
  return port === 0
    ? await probe.waitForAny({ ...options, others: own })
    : { host: await probe.waitFor(port, options), port };
}
