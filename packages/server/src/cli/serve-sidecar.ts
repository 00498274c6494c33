import { setFlagsFromString } from "node:v8";
import { systemClock } from "../lib/clock.ts";
import { run } from "../sidecar/index.ts";
import { limitsOf } from "./relay-flags.ts";
import type { SidecarFlags } from "./sidecar-flags.ts";
import { listenForSignals } from "./signals.ts";
import { outliveReader } from "./stdout.ts";

/** Serves until a signal asks this process to end. */
export async function serveSidecar(flags: SidecarFlags): Promise<void> {
  using signals = listenForSignals();
  outliveReader();
  const { servePort: port, gracePeriod, firstClient, silentConnection, ...rest } = flags;
  const times = {
    gracePeriodSeconds: gracePeriod,
    firstClientSeconds: firstClient,
    silentConnectionSeconds: silentConnection,
  };
  const sidecar = await run({ ...rest, port, ...times, limits: limitsOf(flags) }, { clock: systemClock });
  process.stdout.write(`serving on port ${sidecar.port}, control on port ${sidecar.controlPort}\n`);
  // Without the compiler between V8's first and last: its work takes 10 MB with the first thousand connections, and gives none back.
  // Not among the flags that Node is started with, as what Node brings compiled it would not take then, and start 10 ms later.
  setFlagsFromString("--no-maglev");
  await signals.first;
  await sidecar.close();
}
