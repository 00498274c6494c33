import { fileURLToPath } from "node:url";
import { type Contender, contenderNames, type pathsMany, somePath, startSaying } from "./contender.ts";

const gatewayProgram = fileURLToPath(new URL("../programs/gateway.ts", import.meta.url));

/** As a Pod's sidecar is started. */
const shippedFlags = ["--max-semi-space-size=2"];

/** The sidecar as it is shipped: one file of JavaScript. `nodeFlags` are for the profiler. */
export function startSidecar(
  sidecarFile: string,
  upstreamPort: number,
  nodeFlags: readonly string[] = [],
): Promise<Contender> {
  const flags = [
    "--host",
    "127.0.0.1",
    "--serve-port",
    "0",
    "--control-port",
    "0",
    "--upstream-port",
    `${upstreamPort}`,
  ];
  const args = [...shippedFlags, ...nodeFlags, sidecarFile, ...flags];
  return startSaying(contenderNames.sidecar, { program: process.execPath, args }, "");
}

/** The gateway's role over records in memory (programs/gateway.ts). */
export function startGateway(
  upstreamPort: number,
  paths: 1 | typeof pathsMany,
  nodeFlags: readonly string[] = [],
): Promise<Contender> {
  const name = paths === 1 ? contenderNames.gateway : contenderNames.gatewayMany;
  const args = [...nodeFlags, gatewayProgram, `${paths}`, `${upstreamPort}`];
  return startSaying(name, { program: process.execPath, args }, somePath);
}
