import { BlockList, isIP } from "node:net";
import type { Command } from "commander";
import type { GatewayConfig } from "../gateway/index.ts";
import { defaultLimits } from "../sidecar/limits.ts";
import { numberFlag, parsedFlag } from "./flags.ts";
import { limitsOf, type RelayFlags, relayFlags } from "./relay-flags.ts";

/** What every command takes that has a gateway. */
export interface GatewayRelayFlags extends RelayFlags {
  backendConnectionsMax: number;
  trustedProxies?: BlockList;
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
    );
}

/** What the flags say, as a gateway takes it. */
export function gatewayRelayConfigOf(flags: GatewayRelayFlags): Pick<GatewayConfig, "limits" | "trustedProxies"> {
  const { trustedProxies, backendConnectionsMax: connectionsPerUpstreamMax } = flags;
  return {
    limits: { ...limitsOf(flags), connectionsPerUpstreamMax },
    ...(trustedProxies === undefined ? {} : { trustedProxies }),
  };
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
