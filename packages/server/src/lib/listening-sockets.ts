import { readFileSync } from "node:fs";

/** A TCP socket that listens. */
export interface ListeningSocket {
  readonly port: number;
  /** An address to connect to: the one it is bound to, or the loopback address where it is bound to all. */
  readonly host: string;
  readonly inode: string;
}

/** State LISTEN in /proc/net/tcp (Linux, include/net/tcp_states.h). */
const listenState = "0A";

/**
 * The sockets that listen in this network namespace, over IPv4 and then over IPv6, read from /proc/net/tcp and tcp6: no
 * program is connected to. Each table is read when it is asked for; there are none where there are no such files.
 */
export function* readListeningSockets(): Generator<ListeningSocket[]> {
  for (const path of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const table = readTable(path);
    if (table !== undefined) yield parseListeningSockets(table);
  }
}

/** How many sockets this network namespace has: cheap to read, and changed when one listens. "" where not on Linux. */
export function readSocketCounts(): string {
  return ["/proc/net/sockstat", "/proc/net/sockstat6"].map((path) => readTable(path) ?? "").join("");
}

/** The listening sockets of a table in the format of proc_net_tcp (Linux, Documentation/networking/proc_net_tcp.rst). */
export function parseListeningSockets(table: string): ListeningSocket[] {
  return table.split("\n").flatMap((line) => {
    if (!line.includes(` ${listenState} `)) return [];
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    const [address = "", port = ""] = local.split(":");
    if (state !== listenState || inode === undefined) return [];
    return [{ port: Number.parseInt(port, 16), host: connectableHost(address), inode }];
  });
}

/** Addresses are printed as 32-bit words in the byte order of the machine; all that Node runs on are little-endian. */
function connectableHost(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  for (let word = 0; word < bytes.length; word += 4) bytes.subarray(word, word + 4).reverse();
  const isAny = bytes.every((byte) => byte === 0);
  if (bytes.length === 4) return isAny ? "127.0.0.1" : [...bytes].join(".");
  const groups = Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return isAny ? "::1" : groups.join(":");
}

function readTable(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined; // no such table: not Linux, or IPv6 is off
  }
}
