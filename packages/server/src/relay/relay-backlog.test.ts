import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { Fixture } from "./fixture.ts";

/** How many connections to a port have been asked for, and not been answered (SYN_SENT), by proc_net_tcp(5). */
function unansweredTo(port: number): number {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync("/proc/net/tcp", "utf8").split("\n");
  return rows.map((row) => row.trim().split(/\s+/)).filter(([, , to, state]) => to?.endsWith(remote) && state === "02")
    .length;
}

test.runIf(process.platform === "linux")(
  "1,000 connections that come at once wait for nothing but to be accepted",
  async () => {
    await using fixture = new Fixture();
    await fixture.open(await fixture.raw(() => {}));
    const { port } = fixture.relay.address;
    const clients = Array.from({ length: 1_000 }, () => connect(port, "127.0.0.1").on("error", () => {}));
    try {
      // Each is asked for in the next turn, and none is accepted before this one is over.
      await new Promise<void>((resolve) => process.nextTick(resolve));
      expect(fixture.relay.openConnections).toBe(0);
      expect(unansweredTo(port)).toBe(0);
    } finally {
      for (const client of clients) client.destroy();
    }
  },
);
