import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startGateway } from "./fixture.ts";

test("those who only hold connections to the API keep nobody else out of it, whatever one session may have", async () => {
  const server = createServer((_, response) => void response.end("{}"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const api = Promise.resolve({ host: "127.0.0.1", port });
  const { ask } = await startGateway({ api, limits: { connectionsPerUpstreamMax: 3 } });
  const idle = "GET /api/healthz HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const _ of [1, 2, 3]) expect(await ask(idle).status).toBe(200); // and is kept open
  const connect = "POST /api/connect HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
  expect(await ask(connect).status).toBe(200);
});
