import type { Socket } from "node:net";
import { startVolume } from "./server.ts";

export interface SlowReaders {
  /** Of the server's memory, for each client, in all: its connection, and that of the gateway to the relay host. */
  readonly bytesEach: number;
  /** What one of them got, when it read at last. */
  readonly readBytes: number;
}

const answerBytes = 100_000_000;

/**
 * What the limits say that a client may hold in each of the two relays: what a socket takes before it says that it is full
 * (64 KiB), the read that made it full and the next one's buffer, and as much again for all that comes with a connection.
 */
export const bytesEachMax = 2 * (3 * 64 + 64) * 1024;

/** Has so many clients ask for 100 MB each and read none of it, and waits until nothing moves any more. */
export async function measureSlowReaders(clients: number): Promise<SlowReaders> {
  const volume = await startVolume();
  const before = volume.residentBytes();
  const sockets: Socket[] = [];
  try {
    for (let index = 0; index < clients; index += 1) {
      const socket = volume.connect().on("error", () => {});
      socket.pause().write(`GET ${volume.path}?bytes=${answerBytes} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      sockets.push(socket);
    }
    const after = await settled(volume.residentBytes);
    const [first] = sockets;
    return { bytesEach: (after - before) / clients, readBytes: first === undefined ? 0 : await readBody(first) };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** The value once it has not grown for a second; bounded, since what grows without end is what is looked for. */
async function settled(read: () => number): Promise<number> {
  let most = read();
  for (let still = 0, looks = 0; still < 10 && looks < 600; looks += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = read();
    still = now > most ? 0 : still + 1;
    most = Math.max(most, now);
  }
  return most;
}

/** How many bytes of the answer's body come. */
async function readBody(socket: Socket): Promise<number> {
  let head = "";
  let got = 0;
  for await (const part of socket as AsyncIterable<Buffer>) {
    got += part.length;
    if (!head.includes("\r\n\r\n")) head += part.toString("latin1");
    if (got >= answerBytes + head.indexOf("\r\n\r\n") + 4) break;
  }
  return got - (head.indexOf("\r\n\r\n") + 4);
}
