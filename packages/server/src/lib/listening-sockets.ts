import { closeSync, openSync, readFileSync, readSync } from "node:fs";

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
 * program is connected to. They come part by part, as they are asked for; there are no parts where there are no such files.
 */
export function* readListeningSockets(): Generator<ListeningSocket[]> {
  for (const path of ["/proc/net/tcp", "/proc/net/tcp6"]) yield* readListening(path);
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

/** How many sockets this network namespace has: cheap to read, and changed when one listens. "" where not on Linux. */
export function readSocketCounts(): string {
  return ["/proc/net/sockstat", "/proc/net/sockstat6"].map((path) => readText(path) ?? "").join("");
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

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined; // not Linux, or IPv6 is off
  }
}
