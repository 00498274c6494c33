import { createServer } from "node:net";
import { expect, test } from "vitest";
import { canConnect } from "./can-connect.ts";

test("a port that is listened on can be connected to, and not after it was closed", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  expect(await canConnect(port, { host: "127.0.0.1", mostMs: 5_000 })).toBe(true);
  await new Promise((resolve) => server.close(resolve));
  expect(await canConnect(port, { host: "127.0.0.1", mostMs: 5_000 })).toBe(false);
});

test("a host that never answers is given up in time", async () => {
  // TEST-NET-1 (RFC 5737): nobody has such an address.
  expect(await canConnect(9, { host: "192.0.2.1", mostMs: 50 })).toBe(false);
});
