import { BlockList, isIP } from "node:net";
import type { Command } from "commander";
import type { GatewayConfig } from "../gateway/index.ts";
import { defaultLimits } from "../sidecar/limits.ts";
import { parseOrigin } from "./flag-values.ts";
import { numberFlag, parsedFlag, switchFlag } from "./flags.ts";
import { limitsOf, type RelayFlags, relayFlags } from "./relay-flags.ts";

/** What every command takes that has a gateway. */
export interface GatewayRelayFlags extends RelayFlags {
  backendConnectionsMax: number;
  trustedProxies?: BlockList;
  hostDomain?: string;
  requireToken?: boolean;
  allowedOrigins?: string[];
  waitingPage: boolean;
}

const group = "Limits of the gateway:";

export function addGatewayRelayFlags(command: Command): Command {
  for (const { name, value, description, default: byDefault, parse } of relayFlags) {
    command.addOption(parsedFlag(`--${name} <${value}>`, description, parse).default(byDefault).helpGroup(group));
  }
  return command
    .addOption(
      numberFlag("--backend-connections-max <count>", "most open connections to one backend; more get 503", {
        least: 1,
        most: 1_000_000,
      })
        .default(defaultLimits.connectionsPerUpstreamMax)
        .helpGroup(group),
    )
    .addOption(
      parsedFlag(
        "--trusted-proxies <networks>",
        "proxies in front that are believed in X-Forwarded-… and Forwarded, such as 10.0.0.0/8,::1 (default: none)",
        parseNetworks,
      ),
    )
    .addOption(
      parsedFlag(
        "--host-domain <domain>",
        "each session is also at <id>.<domain>, a host and an origin of its own (default: at /<id>/ alone)",
        parseDomain,
      ),
    )
    .addOption(
      switchFlag("--require-token", "ask for a connection token for every session, not only those of /connect"),
    )
    .addOption(
      parsedFlag(
        "--allowed-origins <origins>",
        "origins of other pages that may use sessions, such as https://app.example.com, with commas in between",
        parseOrigins,
      ),
    )
    .addOption(
      switchFlag("--no-waiting-page", "have browsers wait for a session that starts, without a page that shows it"),
    );
}

/** What the flags say, as a gateway takes it. */
export function gatewayRelayConfigOf(flags: GatewayRelayFlags) {
  const { trustedProxies, hostDomain, requireToken, allowedOrigins, waitingPage } = flags;
  const { backendConnectionsMax: connectionsPerUpstreamMax } = flags;
  return {
    limits: { ...limitsOf(flags), connectionsPerUpstreamMax },
    ...(trustedProxies === undefined ? {} : { trustedProxies }),
    ...(hostDomain === undefined ? {} : { hostDomain }),
    ...(requireToken === undefined ? {} : { requireToken }),
    ...(allowedOrigins === undefined ? {} : { allowedOrigins }),
    waitingPage,
  } satisfies Partial<GatewayConfig>;
}

/** A domain name in lower case; throws what is needed as a RangeError. */
export function parseDomain(text: string): string {
  const domain = text.toLowerCase();
  if (/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(domain) && domain.length < 190)
    return domain;
  throw new RangeError("A domain name without a port is needed, such as play.example.com.");
}

/** Origins with commas in between; throws what is needed as a RangeError. */
export function parseOrigins(text: string): string[] {
  return text.split(",").map((origin) => parseOrigin(origin.trim()));
}

/** Addresses and networks with commas in between; throws what is needed as a RangeError. */
export function parseNetworks(text: string): BlockList {
  const networks = new BlockList();
  for (const item of text.split(",")) addNetwork(networks, item.trim());
  return networks;
}

function addNetwork(networks: BlockList, text: string): void {
  const [address = "", bits, ...more] = text.split("/");
  const family = isIP(address);
  const bitsMax = family === 6 ? 128 : 32;
  const prefix = bits === undefined ? bitsMax : /^[0-9]{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (family === 0 || more.length > 0 || !(prefix <= bitsMax)) {
    throw new RangeError(
      `Addresses or networks are needed, such as 10.0.0.0/8,::1; ${JSON.stringify(text)} is neither.`,
    );
  }
  networks.addSubnet(address, prefix, family === 6 ? "ipv6" : "ipv4");
}
