import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { anyAddress, listenAddress } from "./any-address.ts";
import { canConnect } from "./can-connect.ts";

test("a machine with IPv6 is listened on by both, another by IPv4", () => {
  const common = { netmask: "", mac: "", internal: true, cidr: null };
  const ipv4 = { ...common, family: "IPv4" as const, address: "127.0.0.1" };
  const ipv6 = { ...common, family: "IPv6" as const, address: "::1", scopeid: 0 };
  expect(anyAddress({ lo: [ipv4, ipv6] })).toBe("::");
  expect(anyAddress({ lo: [ipv4], eth0: undefined })).toBe("0.0.0.0");
});

test("whoever listens there is reached at every address of this machine", async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(listenAddress({ host: anyAddress(), port: 0 }), resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") return expect.fail("it listens on a port");
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const loopback = own.filter(({ internal }) => internal).map(({ address }) => address);
  expect(loopback).toContain("127.0.0.1");
  for (const host of loopback) expect(await canConnect(address.port, { host, mostMs: 2_000 }), host).toBe(true);
});

test("an address that is asked for is the only one that is listened on", async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(listenAddress({ host: "127.0.0.1", port: 0 }), resolve));
  onTestFinished(() => void server.close());
  expect(server.address()).toMatchObject({ address: "127.0.0.1" });
});
