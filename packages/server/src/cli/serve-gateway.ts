import { deadlines } from "../core/deadlines.ts";
import { run } from "../gateway/index.ts";
import { aborted } from "../lib/aborted.ts";
import { pause } from "../lib/pause.ts";
import type { GatewayFlags } from "./gateway.ts";
import { gatewayRelayConfigOf } from "./gateway-flags.ts";
import { explainListenFailure } from "./listen-failure.ts";
import { runRole } from "./role-process.ts";

/** Serves until a signal asks this process to end, and its connections have. */
export function serveGateway(flags: GatewayFlags): Promise<void> {
  const { host, port, servicePrefix, parkedMax, publicUrl, apiUrl } = flags;
  const forwardedProto = publicUrl?.startsWith("https:") ? "https" : "http";
  const pathPrefix = flags.pathPrefix ?? (flags.compat ? "/p" : "");
  const config = {
    host,
    port,
    servicePrefix,
    pathPrefix,
    parkedMax,
    forwardedProto,
    publicApiOnly: flags.publicApiOnly ?? false,
    ...(publicUrl === undefined ? {} : { publicHostName: new URL(publicUrl).hostname }),
    ...gatewayRelayConfigOf(flags),
  } as const;
  const api = apiUrl === undefined ? {} : { api: Promise.resolve(addressOfOrigin(apiUrl)) };
  return runRole({ role: "gateway", flags, keys: "read" }, async ({ ending, hurried, ...deps }) => {
    const gateway = await run(config, { ...deps, ...api }).catch((error: unknown) => {
      throw explainListenFailure(error, config);
    });
    deps.log.info({ host: gateway.host, port: gateway.port }, "serving");
    await aborted(ending);
    await pause(deps.clock, deadlines.endpointLagMs, hurried);
    await gateway.drain({
      mostMs: flags.drainSeconds * 1000,
      spreadMs: deadlines.closeSpreadMs,
      signal: hurried,
    });
    await gateway.close();
  });
}

function addressOfOrigin(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 80 : Number(port) };
}
