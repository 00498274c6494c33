import { readFileSync } from "node:fs";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addGatewayRelayFlags, parseDomain, parseNetworks, parseOrigins } from "./gateway-flags.ts";
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

describe("the domain of hosts", () => {
  it("is a name, in whatever case", () => {
    expect(parseDomain("Play.Example.com")).toBe("play.example.com");
    expect(parseDomain("localhost")).toBe("localhost");
  });

  it.each(["", "*.example.com", "example.com:8080", "https://example.com", ".example.com", "example.com.", "a..b"])(
    "is refused with what is needed: %j",
    (text) => {
      expect(() => parseDomain(text)).toThrow(/A domain name without a port is needed/);
    },
  );
});

describe("allowed origins", () => {
  it("are URLs without a path, as browsers spell them", () => {
    expect(parseOrigins("https://App.example.com:443, http://127.0.0.1:3000/")).toEqual([
      "https://app.example.com",
      "http://127.0.0.1:3000",
    ]);
  });

  it.each(["", "*", "null", "https://a.example/x", "https://a.example,"])("are refused else: %j", (text) => {
    expect(() => parseOrigins(text)).toThrow(/A URL without a path is needed/);
  });
});
