import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { reachedPatch } from "../core/status.ts";
import { startGateway } from "./fixture.ts";

/** A gateway with one backend, whose relay host answers nothing by itself. */
async function setUp({ relayProtocol }: { relayProtocol?: 0 }) {
  const host = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(host, "listening");
  onTestFinished(() => void host.close());
  const { backends, ask } = await startGateway();
  const backend = await backends.create({ name: "b4x", spec: { template: { containers: [{}] } } });
  const { port } = host.address() as AddressInfo;
  const place = { ip: "127.0.0.1", port, nodeName: "n", workloadUID: "w" };
  const address = relayProtocol === undefined ? place : { ...place, relayProtocol };
  await backends.patchStatus(backend.metadata, reachedPatch(backend, { Ready: new Date() }, address) ?? {});
  return { host, ask };
}

const request = "GET /b4x/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

test("a relay host is told that a client has closed its half, and answers all the same", async () => {
  const { host, ask } = await setUp({});
  const { socket, status } = ask(request);
  socket.end();
  const [link] = (await once(host, "connection")) as [Socket];
  link.resume();
  await once(link, "end");
  link.end(answer);
  expect(await status).toBe(200);
});

test("a sidecar of 0.1.9 is not: it would give up what was asked", async () => {
  const { host, ask } = await setUp({ relayProtocol: 0 });
  const { socket, status } = ask(request);
  socket.end();
  const [link] = (await once(host, "connection")) as [Socket];
  let hasEnded = false;
  link.on("end", () => (hasEnded = true)).resume();
  await once(link, "data");
  // What comes by another connection comes after the end, had that been passed on.
  const { status: other } = ask(request);
  const [next] = (await once(host, "connection")) as [Socket];
  next.resume().end(answer);
  expect(await other).toBe(200);
  expect(hasEnded).toBe(false);
  link.end(answer);
  expect(await status).toBe(200);
});
