import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "rolldown";
import { ConnectionTokenSigner } from "../../packages/server/src/core/connection-token.ts";
import { formatSigningKeys, makeSigningKey } from "../../packages/server/src/core/signing-keys.ts";
import { sidecarNodeFlags } from "../../packages/server/src/engine/kubernetes/sidecar-container.ts";
import { pathCookieName } from "../../packages/server/src/gateway/connection-credential.ts";
import {
  type Contender,
  type ContenderName,
  contenderNames,
  pathsMany,
  somePath,
  startSaying,
  uidOf,
} from "./contender.ts";

/** Builds the gateway's role over records in memory (programs/gateway.ts) as the roles are built: types that Node takes off itself cost memory. */
export async function buildGateway(folder: string): Promise<string> {
  const input = fileURLToPath(new URL("../programs/gateway.ts", import.meta.url));
  const file = join(folder, "gateway.mjs");
  const output = { format: "esm", codeSplitting: false, file } as const;
  await build({ input, platform: "node", transform: { target: "node24" }, logLevel: "warn", output });
  return file;
}

/** The sidecar as it is shipped: one file of JavaScript. `nodeFlags` are for the profiler. */
export function startSidecar(
  sidecarFile: string,
  upstreamPort: number,
  nodeFlags: readonly string[] = [],
): Promise<Contender> {
  const flags = ["--serve-port", "0", "--control-port", "0", "--upstream-port", `${upstreamPort}`];
  const args = [...sidecarNodeFlags, ...nodeFlags, sidecarFile, ...flags];
  return startSaying(contenderNames.sidecar, { program: process.execPath, args }, "");
}

/** The program that `buildGateway` has made. */
export function startGateway(
  gatewayFile: string,
  upstreamPort: number,
  paths: 1 | typeof pathsMany,
): Promise<Contender> {
  const name = paths === 1 ? contenderNames.gateway : contenderNames.gatewayMany;
  return runGateway(name, [gatewayFile, `${paths}`, `${upstreamPort}`]);
}

/** The same with many paths, where each asks for a token: an hour's, which the load has in a cookie. */
export async function startTokenGateway(gatewayFile: string, upstreamPort: number): Promise<Contender> {
  const key = makeSigningKey(new Date());
  const signer = new ConnectionTokenSigner(() => [key], { now: () => new Date() });
  const name = somePath.slice(1);
  const token = signer.sign({ backend: `${name}/${uidOf(name)}`, user: "ada" }, { ttlSeconds: 3_600 });
  if (token === undefined) throw new Error("there is a key to sign with");
  const args = [gatewayFile, `${pathsMany}`, `${upstreamPort}`, formatSigningKeys([key]).trim()];
  const contender = await runGateway(contenderNames.gatewayTokens, args);
  return { ...contender, cookie: `${pathCookieName}=${token.text}` };
}

/** With the flags of deploy/base. */
function runGateway(name: ContenderName, args: readonly string[]): Promise<Contender> {
  return startSaying(
    name,
    { program: process.execPath, args: ["--no-maglev", ...sidecarNodeFlags, ...args] },
    somePath,
  );
}
