import { networkInterfaces } from "node:os";

/** What to listen on for connections of IPv6 and of IPv4; of IPv4 alone on a machine that has no other. */
export function anyAddress(interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces()): "::" | "0.0.0.0" {
  const addresses = Object.values(interfaces).flatMap((each) => each ?? []);
  return addresses.some(({ family }) => family === "IPv6") ? "::" : "0.0.0.0";
}
