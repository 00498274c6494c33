import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "rolldown";
import { type Contender, contenderNames, type pathsMany, somePath, startSaying } from "./contender.ts";

/** Builds the gateway's role over records in memory (programs/gateway.ts) as the roles are built: types that Node takes off itself cost memory. */
export async function buildGateway(folder: string): Promise<string> {
  const input = fileURLToPath(new URL("../programs/gateway.ts", import.meta.url));
  const file = join(folder, "gateway.mjs");
  const output = { format: "esm", codeSplitting: false, file } as const;
  await build({ input, platform: "node", transform: { target: "node24" }, logLevel: "warn", output });
  return file;
}

/** As a Pod's sidecar is started. */
const shippedFlags = ["--max-semi-space-size=2", "--no-maglev", "--v8-pool-size=1"];

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

/** The program that `buildGateway` has made. */
export function startGateway(
  gatewayFile: string,
  upstreamPort: number,
  paths: 1 | typeof pathsMany,
): Promise<Contender> {
  const name = paths === 1 ? contenderNames.gateway : contenderNames.gatewayMany;
  const args = [gatewayFile, `${paths}`, `${upstreamPort}`];
  return startSaying(name, { program: process.execPath, args }, somePath);
}
