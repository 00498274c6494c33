import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../lib/clock.ts";
import { ClientErrors } from "./client-errors.ts";
import { converse } from "./fixture.ts";
import { LatestExchanges } from "./latest-exchanges.ts";
import { lingerOnClose } from "./lingering.ts";

const requestTimeoutMs = 300;

/** A server that is soon impatient, and what it has read. */
async function start() {
  let bytesRead = () => 0;
  const server = createServer(
    { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs, connectionsCheckingInterval: 50 },
    (request, response) => {
      if (request.method === "PUT") response.end("no");
      else request.resume().on("end", () => response.end("whole"));
    },
  );
  const refused: number[] = [];
  const latest = new LatestExchanges();
  const clientErrors = new ClientErrors({ clock: systemClock, latest, onAnswered: (status) => refused.push(status) });
  latest.attach(server);
  clientErrors.attach(server);
  lingerOnClose(server, latest);
  server.on("clientError", clientErrors.answer).on("connection", (socket) => {
    bytesRead = () => socket.bytesRead;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const client = converse((server.address() as AddressInfo).port);
  await vi.waitFor(() => expect(server.listenerCount("connection")).toBeGreaterThan(0));
  return { ...client, refused, bytesRead: () => bytesRead() };
}

/** As where the machine has other things to do. */
function doNothingElse(forMs: number): void {
  for (const untilMs = performance.now() + forMs; performance.now() < untilMs; );
}

const head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 10\r\n\r\n";
const body = "0123456789";

test.each([
  ["the first half of its head", head.slice(0, 30), head.slice(30) + body],
  ["its head", head, body],
  ["half of its body", `${head}01234`, "56789"],
])("a request that came while the process did not run is taken: %s was read before", async (_what, first, rest) => {
  const { write, closed, refused, bytesRead } = await start();
  write(first);
  await vi.waitFor(() => expect(bytesRead()).toBe(first.length), { timeout: 10_000, interval: 1 });
  await new Promise((resolve) => setImmediate(resolve)); // timers come next, and only then what was received
  write(rest);
  doNothingElse(2 * requestTimeoutMs);
  expect(await closed).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*whole$/);
  expect(refused).toEqual([]);
});

test.each([
  ["its head", head.slice(0, 30)],
  ["its body", `${head}01234`],
])("a request that does not come whole while the process runs is refused: in %s", async (_what, first) => {
  const { write, closed, refused } = await start();
  write(first);
  expect(await closed).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n[\s\S]*did not arrive whole in time/);
  expect(refused).toEqual([408]);
});

test("a request that was answered before it was whole, and stays so, does not keep its connection open", async () => {
  const { socket, write, until, refused } = await start();
  socket.allowHalfOpen = true;
  write(`${head.replace("POST", "PUT").replace("10", "1000")}01234`);
  await until(/200 OK[\s\S]*no$/);
  await vi.waitFor(
    () => {
      write("5");
      expect(socket.destroyed).toBe(true);
    },
    { timeout: 10_000, interval: 100 },
  );
  expect(refused).toEqual([]);
});
