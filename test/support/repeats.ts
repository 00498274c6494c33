import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import type { Peer } from "../../packages/server/src/relay/fixture.ts";
import { openBothRelays } from "./both-relays.ts";
import { seededRandom } from "./random.ts";

export interface RepeatsTally {
  requests: number;
  /** Safe requests that got another answer than the program's. */
  failedSafe: number;
  /** Requests that are not safe to repeat and got none: the connection was closing, and nobody can know. */
  failedUnsafe: number;
  /** Requests that are not safe to repeat and reached the program more than once. */
  sentTwice: number;
  /** Safe requests that reached the program more than once: the race was there. */
  repeated: number;
}

/**
 * Sends requests over kept-alive connections whose program closes them at random moments around the next request: in
 * order, by a reset, at once or a little later.
 */
export async function raceAgainstClosing({ seed, rounds }: { seed: number; rounds: number }): Promise<RepeatsTally> {
  const random = seededRandom(seed);
  const arrivals = new Map<string, number>();
  await using program = await startClosingProgram(random, (id) => arrivals.set(id, (arrivals.get(id) ?? 0) + 1));
  const both = await openBothRelays(program);
  const tally: RepeatsTally = { requests: 0, failedSafe: 0, failedUnsafe: 0, sentTwice: 0, repeated: 0 };
  const runClient = async (name: string, count: number) => {
    let client = await both.client();
    for (let round = 0; round < count; round += 1) {
      const isSafe = random() < 0.6;
      const id = `${isSafe ? "safe" : "unsafe"}-${name}-${round}`;
      tally.requests += 1;
      const isAnswered = await ask(client, isSafe ? "GET" : "POST", id);
      if (!isAnswered) {
        if (isSafe) tally.failedSafe += 1;
        else tally.failedUnsafe += 1;
        client.socket.destroy();
        client = await both.client();
      }
      if (random() < 0.7) await new Promise((resolve) => setTimeout(resolve, random() * 3));
    }
    client.socket.destroy();
  };
  const clients = 8;
  await Promise.all(Array.from({ length: clients }, (_, index) => runClient(String(index), rounds / clients)));
  for (const [id, count] of arrivals) {
    if (count > 1 && id.startsWith("unsafe")) tally.sentTwice += 1;
    if (count > 1 && id.startsWith("safe")) tally.repeated += 1;
  }
  return tally;
}

/** Whether the program's own answer came. */
async function ask(client: Peer, method: string, id: string): Promise<boolean> {
  client.forget();
  const body = method === "POST" ? "Content-Length: 0\r\n" : "";
  client.send(`${method} /b/${id} HTTP/1.1\r\nHost: a\r\n${body}\r\n`);
  const deadlineMs = performance.now() + 20_000;
  while (!client.text.includes("\r\n\r\n") && !client.closed && performance.now() < deadlineMs) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  return client.text.startsWith("HTTP/1.1 200 ") && client.text.endsWith(`\r\n\r\n${id}`);
}

async function startClosingProgram(random: () => number, onArrival: (id: string) => void) {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    let text = "";
    let isClosing = false;
    let requests = 0;
    const close = () => {
      isClosing = true;
      socket.end();
    };
    socket
      .setNoDelay(true)
      .on("error", () => {})
      .on("close", () => sockets.delete(socket))
      .on("end", () => socket.end())
      .on("data", (bytes) => {
        text += bytes.toString("latin1");
        for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
          const id = /\/(\S+) HTTP/.exec(text)?.[1] ?? "";
          text = text.slice(end + 4);
          onArrival(id);
          requests += 1;
          if (isClosing) continue; // it came too late to be answered
          // As a system does for a program that has closed its socket altogether.
          if (requests > 1 && random() < 0.05) return void socket.resetAndDestroy();
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${id.length}\r\n\r\n${id}`);
          if (random() < 0.3) setTimeout(() => isClosing || socket.destroyed || close(), random() * 3);
          else if (random() < 0.1) close();
        }
      });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
