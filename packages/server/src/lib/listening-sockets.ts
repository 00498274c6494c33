import { closeSync, openSync, readSync } from "node:fs";

/** A TCP socket that listens. */
export interface ListeningSocket {
  readonly port: number;
  /** An address to connect to: the one it is bound to, or the loopback address where it is bound to all. */
  readonly host: string;
  readonly inode: string;
}

/** State LISTEN in /proc/net/tcp (Linux, include/net/tcp_states.h). */
const listenState = "0A";

/** What the kernel says of its TCP sockets, over IPv4 and over IPv6: how many are in use, and the table of them. */
const families = [
  { counts: "/proc/net/sockstat", table: "/proc/net/tcp" },
  { counts: "/proc/net/sockstat6", table: "/proc/net/tcp6" },
] as const;

/**
 * The sockets that listen in this network namespace, over IPv4 and then over IPv6, read from /proc/net/tcp and tcp6: no
 * program is connected to. They come part by part, as they are asked for; there are no parts where there are no such files.
 */
export function* readListeningSockets(): Generator<ListeningSocket[]> {
  for (const { counts, table } of families) {
    // The kernel takes as long to find that there is none as to find the last one.
    if (socketsInUse(readCounts(counts)) === 0) yield [];
    else yield* readListening(table);
  }
}

/** About a line of the table: the first piece of it that is read. */
const pieceBytesMin = 150;
/** Where a lot listens pieces grow, to this part of what was read: a little too much is read then, in few calls. */
const pieceGrowth = 1 / 4;

/**
 * The table has first what listens, then all else (Linux, Documentation/networking/proc_net_tcp.rst). The kernel makes it as it
 * is read, and looks for connections in all the room it has for them, which takes milliseconds where there are few: so it is
 * read in small pieces, and no further than to the first connection.
 */
function* readListening(path: string): Generator<ListeningSocket[]> {
  const file = tryOpen(path);
  if (file === undefined) return;
  try {
    let partial = "";
    for (let bytesRead = 0; ; ) {
      const piece = Buffer.alloc(Math.max(pieceBytesMin, Math.floor(bytesRead * pieceGrowth)));
      const length = readSync(file, piece);
      if (length === 0) return;
      bytesRead += length;
      const lines = (partial + piece.toString("latin1", 0, length)).split("\n");
      partial = lines.pop() ?? "";
      yield parseListeningSockets(lines);
      if (lines.some(isConnection)) return;
    }
  } finally {
    closeSync(file);
  }
}

/**
 * How many TCP sockets of this network namespace listen or are connected, as a text: cheap to read, and another one as soon as a
 * socket listens. The same for ever where not on Linux.
 */
export function readSocketCounts(): string {
  return families.map(({ counts }) => socketsInUse(readCounts(counts))).join(" ");
}

/**
 * Of a text in the format of /proc/net/sockstat or sockstat6; undefined where it is none. All that is said beside it of TCP over
 * IPv4 (orphan, alloc, mem) is counted for the whole machine and changes all the time (Linux, net/ipv4/proc.c).
 */
export function socketsInUse(text: string): number | undefined {
  const count = /^TCP6?: inuse (\d+)/m.exec(text)?.[1];
  return count === undefined ? undefined : Number(count);
}

/** The listening sockets among lines in the format of proc_net_tcp. */
export function parseListeningSockets(lines: readonly string[]): ListeningSocket[] {
  return lines.flatMap((line) => {
    if (!line.includes(` ${listenState} `)) return [];
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    const [address = "", port = ""] = local.split(":");
    if (state !== listenState || inode === undefined) return [];
    return [{ port: Number.parseInt(port, 16), host: connectableHost(address), inode }];
  });
}

/** Whether a line is a socket's, and not one that listens; the head of the table is nobody's. */
function isConnection(line: string): boolean {
  const [number = "", , , state] = line.trim().split(/\s+/);
  return /^[0-9]+:$/.test(number) && state !== listenState;
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

function tryOpen(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch {
    return undefined; // no such table: not Linux, or IPv6 is off
  }
}

const countsBuffer = Buffer.alloc(512);

/** Its first line that matters is among the first 100 bytes. It is read again and again: to no buffer of its own. */
function readCounts(path: string): string {
  const file = tryOpen(path);
  if (file === undefined) return "";
  try {
    return countsBuffer.toString("latin1", 0, readSync(file, countsBuffer));
  } finally {
    closeSync(file);
  }
}
