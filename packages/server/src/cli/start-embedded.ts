import type { Embedded, EmbeddedConfig } from "../embedded/index.ts";
import { systemClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { explainListenFailure } from "./listen-failure.ts";

/** Starts to serve; rejects with what to do about an address that cannot be had. */
export async function startEmbedded(config: EmbeddedConfig, log: Log): Promise<Embedded> {
  // Here, and not at the top: no other command has to load what serves.
  const { run } = await import("../embedded/index.ts");
  try {
    return await run(config, { clock: systemClock, log });
  } catch (error) {
    const { control } = config;
    const isOfControl = control !== undefined && control.port !== 0 && portOf(error) === control.port;
    throw explainListenFailure(error, isOfControl ? { ...control, flag: "--control-port" } : config);
  }
}

/** That was to be listened on. */
function portOf(error: unknown): unknown {
  return error instanceof Error && "port" in error ? error.port : undefined;
}
