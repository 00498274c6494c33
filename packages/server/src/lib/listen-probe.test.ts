import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "./clock.ts";
import { ListenProbe } from "./listen-probe.ts";
import { parseListeningSockets, readListeningSockets, socketsInUse } from "./listening-sockets.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listen(host: string, port = 0) {
  const server = createServer(() => {
    throw new Error("the probe must not connect");
  });
  closers.push(() => server.close());
  await new Promise<void>((resolve) => server.listen({ host, port }, resolve));
  return (server.address() as { port: number }).port;
}

describe("waiting for a port", () => {
  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1"],
    ["::1", "0:0:0:0:0:0:0:1"],
    ["::", "::1"],
  ])("a program that listens on %s is reached at %s, and is not connected to", async (bound, reached) => {
    const port = await listen(bound);
    expect(await new ListenProbe(systemClock).waitFor(port, { signal: AbortSignal.timeout(5_000) })).toBe(reached);
  });

  test("begins before the program listens", async () => {
    const port = await listen("127.0.0.1");
    for (const close of closers.splice(0)) close();
    const found = new ListenProbe(systemClock).waitFor(port, { signal: AbortSignal.timeout(5_000) });
    await listen("127.0.0.1", port);
    expect(await found).toBe("127.0.0.1");
  });

  test("somebody else's socket on the port is not the one", async () => {
    const port = await listen("127.0.0.1");
    const stop = new AbortController();
    const asked: string[] = [];
    const wait = new ListenProbe(systemClock).waitFor(port, {
      owns: (inode) => {
        asked.push(inode);
        if (asked.length === 3) stop.abort(new Error("enough"));
        return false;
      },
      signal: stop.signal,
    });
    await expect(wait).rejects.toThrow("enough");
  });
});

test("only sockets in the state LISTEN count, with their addresses decoded", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 0 100 0 0 10 0
   1: 0100007F:1F91 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 102 1 0 20 4 30 10 -1
   2: 0500A8C0:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 103 1 0 100 0 0 10 0
   3: 000080FE00000000FF005450B6AD1DFE:0051 00000000000000000000000000000000:0000 0A 0:0 0:0 0     0        0 104 1 0
`;
  expect(parseListeningSockets(table.split("\n"))).toEqual([
    { port: 8080, host: "127.0.0.1", inode: "101" },
    { port: 80, host: "192.168.0.5", inode: "103" },
    { port: 81, host: "fe80:0:0:0:5054:ff:fe1d:adb6", inode: "104" },
  ]);
});

test("of what the kernel counts, only the sockets of this network namespace are taken", () => {
  const counts = (inUse: number, others: number) =>
    `sockets: used 31\nTCP: inuse ${inUse} orphan ${others} tw 3 alloc ${others} mem ${others}\nUDP: inuse 7 mem 2\n`;
  expect([counts(4, 8), counts(4, 900), counts(5, 8)].map(socketsInUse)).toEqual([4, 4, 5]);
  expect(socketsInUse("TCP6: inuse 12\nUDP6: inuse 2\n")).toBe(12);
  expect(socketsInUse("")).toBeUndefined();
});

test("every socket that listens is found, on each address and however many there are", async () => {
  const servers = Array.from({ length: 60 }, (_, index) =>
    createServer().listen(0, index % 2 === 0 ? "127.0.0.1" : "::1"),
  );
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  const client = connect(ports[0] ?? 0, "127.0.0.1"); // the tables are not read further than to a connection
  await once(client, "connect");
  const found = [...readListeningSockets()].flat();
  const wanted = ports.map((port, index) => ({ port, host: index % 2 === 0 ? "127.0.0.1" : "0:0:0:0:0:0:0:1" }));
  for (const socket of wanted) expect(found).toContainEqual(expect.objectContaining(socket));
  client.destroy();
  for (const server of servers) server.close();
});

test("looks no more than a part of the time, however long a look takes", async () => {
  const port = await listen("127.0.0.1");
  for (const close of closers.splice(0)) close();
  let looks = 0;
  let lookingMs = 0;
  const startMs = performance.now();
  const slowSign = () => {
    looks += 1;
    const untilMs = performance.now() + 10;
    while (performance.now() < untilMs);
    lookingMs += 10;
    return "";
  };
  const found = new ListenProbe(systemClock).waitFor(port, { sign: slowSign, signal: AbortSignal.timeout(10_000) });
  await vi.waitFor(() => expect(looks).toBeGreaterThan(5), { timeout: 5_000, interval: 1 });
  expect(lookingMs / (performance.now() - startMs)).toBeLessThan(0.3);
  await listen("127.0.0.1", port);
  await found;
});
