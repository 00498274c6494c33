import { networkInterfaces } from "node:os";

/** What to listen on for connections of IPv6 and of IPv4; of IPv4 alone on a machine that has no other. */
export function anyAddress(interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces()): "::" | "0.0.0.0" {
  const addresses = Object.values(interfaces).flatMap((each) => each ?? []);
  return addresses.some(({ family }) => family === "IPv6") ? "::" : "0.0.0.0";
}

/**
 * The same address for `listen`. Node looks whether a host that it is given is a link-local one, by a regular expression that takes
 * half a megabyte to compile; where it is given none it takes "::" by itself, and IPv4 alone where there is no IPv6.
 */
export function listenAddress({ host, port }: { host: string; port: number }): { host?: string; port: number } {
  return host === "::" ? { port } : { host, port };
}
