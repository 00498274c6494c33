import type { Embedded, EmbeddedConfig } from "../embedded/index.ts";
import { systemClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";

/** Starts to serve; rejects with what to do about an address that cannot be had. */
export async function startEmbedded(config: EmbeddedConfig, log: Log): Promise<Embedded> {
  // Here, and not at the top: no other command has to load what serves.
  const { run } = await import("../embedded/index.ts");
  try {
    return await run(config, { clock: systemClock, log });
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, config);
  }
}

function explain(error: NodeJS.ErrnoException, { host, port }: EmbeddedConfig): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new Error(`Port ${port} on ${host} is in use. Choose another one: --port 8081, or 0 for any.`, {
        cause: error,
      });
    case "EACCES":
      return new Error(`Port ${port} on ${host} may not be used by this user. Choose one above 1023: --port 8080.`, {
        cause: error,
      });
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new Error(`${host} is no address of this machine. Choose one that is: --host 127.0.0.1.`, {
        cause: error,
      });
    default:
      return error;
  }
}
