import { readFileSync } from "node:fs";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addGatewayRelayFlags, parseNetworks } from "./gateway-flags.ts";
import { sidecarFlags } from "./sidecar-flags.ts";

describe("trusted proxies", () => {
  it("are addresses and networks of both families", () => {
    const networks = parseNetworks("10.0.0.0/8, 192.0.2.7,fd00::/8,::1");
    const trusts = (address: string) => networks.check(address, address.includes(":") ? "ipv6" : "ipv4");
    expect(["10.255.0.1", "192.0.2.7", "fd12::1", "::1"].filter((address) => !trusts(address))).toEqual([]);
    expect(["11.0.0.1", "192.0.2.8", "fe80::1", "::2"].filter(trusts)).toEqual([]);
  });

  it.each([
    "",
    "10.0.0.0/33",
    "::1/129",
    "10.0.0/8",
    "example.com",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
    "1.2.3.4,",
  ])("are refused with what is needed: %j", (text) => {
    expect(() => parseNetworks(text)).toThrow(/Addresses or networks are needed, such as 10\.0\.0\.0\/8,::1/);
  });
});

it("every limit of the gateway and the sidecar is in the document, with its default", () => {
  const document = readFileSync(new URL("../../../../docs/http.md", import.meta.url), "utf8");
  const rows = [...document.matchAll(/^\| `--([a-z-]+)`\s*\| (\d+)/gm)];
  const documented = Object.fromEntries(rows.map(([, name = "", byDefault]) => [name, Number(byDefault)]));
  const gateway = addGatewayRelayFlags(new Command()).options.flatMap(({ long, defaultValue }) =>
    typeof defaultValue === "number" ? [[long?.slice(2), defaultValue]] : [],
  );
  expect(documented).toEqual(Object.fromEntries(gateway));
  const names = sidecarFlags.map(({ name }) => name as string);
  expect(Object.keys(documented).filter((name) => !names.includes(name))).toEqual(["backend-connections-max"]);
});
